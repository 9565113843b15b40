// Whether the station can be reached, without a session: for a person who asks, not for the daemon.
#pragma once
#include <chrono>
#include <string>

#include "uplink/zmq_vehicle_link.h"

namespace driftloop::uplink {

struct StationProbe {
  enum class Answer {
    silent,      // nothing accepts connections there
    no_station,  // something does, but no encrypted connection came about: another program, or another
                 // station key
    refused,     // the station does not know this vehicle's key
    accepted
  };
  Answer answer = Answer::silent;
  std::string public_key;  // of this vehicle
};

/// Connects and does the CURVE handshake, then hangs up: no Hello, so the station's books and a running
/// session of the same vehicle are not touched. Blocks for at most about `patience`. Throws Error on a bad
/// key or endpoint.
StationProbe probe_station(const VehicleLinkOptions& options, std::chrono::milliseconds patience);

}  // namespace driftloop::uplink
