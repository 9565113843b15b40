// The thread that owns the link: outbox -> station, labels -> inbox.
#pragma once
#include <stop_token>

#include "daemon/live/health.h"
#include "daemon/live/latest.h"
#include "daemon/live/live_status.h"
#include "uplink/outbox.h"
#include "uplink/zmq_vehicle_link.h"

namespace driftloop::daemon {

struct UplinkParts {
  uplink::VehicleLinkOptions link;
  uplink::Outbox& outbox;
  LiveStatus& status;
  Health& health;
  News& news;  // told when labels were stored or regions refused
};

/// Runs until `stop`. A bad key or endpoint degrades the owner until it is mended; a station that is away is
/// no error. Throws Error when the outbox failed.
void run_uplink(const UplinkParts& parts, std::stop_token stop);

}  // namespace driftloop::daemon
