// The thread that owns the link: outbox -> station, labels -> inbox.
#pragma once
#include <stop_token>

#include "daemon/health.h"
#include "daemon/latest.h"
#include "daemon/live_status.h"
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

/// Runs until `stop`. Throws Error: bad key or endpoint, failed outbox. A station that is away is no error.
void run_uplink(const UplinkParts& parts, std::stop_token stop);

}  // namespace driftloop::daemon
