// Every dangerous default of a ZeroMQ socket, set in one place. For the link's own sources.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>
#include <zmq.hpp>

namespace driftloop::uplink {

struct TransportLimits {
  std::int64_t max_message_bytes = 0;  // a larger frame closes the connection before it is read
  int send_queue = 0;                  // messages a peer, beyond which a send is refused
  int receive_queue = 0;
};

/// linger 0 (a stop never hangs), message size bounded, queues bounded, heartbeats (a half-open connection is
/// found in seconds), bounded handshakes, growing reconnect pauses with a ceiling.
void set_safe_options(zmq::socket_t& socket, const TransportLimits& limits);

/// What the socket's monitor said since it was last asked, folded into what a link wants to know.
struct ConnectionNews {
  bool any = false;
  bool connected_tcp = false;   // something accepts connections there
  bool handshake_done = false;  // the encrypted connection stands: anew each time
  bool disconnected = false;
  bool auth_refused = false;    // the station's ZAP said no
  bool wrong_protocol = false;  // what listens there is not our station, or it has another key
};

/// Watches one socket. Owned by the thread that owns the socket.
class ConnectionMonitor {
 public:
  ConnectionMonitor(zmq::context_t& context, zmq::socket_t& watched, const std::string& name);
  zmq::socket_t& socket() { return events_; }
  ConnectionNews drain();

 private:
  zmq::socket_t events_;
};

}  // namespace driftloop::uplink
