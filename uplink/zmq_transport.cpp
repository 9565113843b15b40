#include "uplink/zmq_transport.h"

#include <zmq.h>

#include <cstring>

#include "config/check.h"

namespace driftloop::uplink {
namespace {

constexpr int kHeartbeatIntervalMs = 2000;
constexpr int kHeartbeatTimeoutMs = 8000;
constexpr int kHandshakeIntervalMs = 5000;
// "Resumed within 2 s of the link's return" leaves room for one pause and a handshake over a slow link.
constexpr int kReconnectFirstMs = 100;
constexpr int kReconnectMostMs = 1000;
constexpr int kConnectTimeoutMs = 4000;

}  // namespace

void set_safe_options(zmq::socket_t& socket, const TransportLimits& limits) {
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::maxmsgsize, limits.max_message_bytes);
  socket.set(zmq::sockopt::sndhwm, limits.send_queue);
  socket.set(zmq::sockopt::rcvhwm, limits.receive_queue);
  socket.set(zmq::sockopt::heartbeat_ivl, kHeartbeatIntervalMs);
  socket.set(zmq::sockopt::heartbeat_timeout, kHeartbeatTimeoutMs);
  socket.set(zmq::sockopt::heartbeat_ttl, kHeartbeatTimeoutMs);
  socket.set(zmq::sockopt::handshake_ivl, kHandshakeIntervalMs);
  socket.set(zmq::sockopt::reconnect_ivl, kReconnectFirstMs);
  socket.set(zmq::sockopt::reconnect_ivl_max, kReconnectMostMs);
  socket.set(zmq::sockopt::connect_timeout, kConnectTimeoutMs);
}

ConnectionMonitor::ConnectionMonitor(zmq::context_t& context, zmq::socket_t& watched, const std::string& name)
    : events_(context, zmq::socket_type::pair) {
  const std::string endpoint = "inproc://" + name;
  const int done = zmq_socket_monitor(watched.handle(), endpoint.c_str(), ZMQ_EVENT_ALL);
  if (done != 0) throw Error(std::string("cannot watch a ZeroMQ socket: ") + zmq_strerror(zmq_errno()));
  events_.set(zmq::sockopt::linger, 0);
  events_.connect(endpoint);
}

ConnectionNews ConnectionMonitor::drain() {
  ConnectionNews news;
  zmq::message_t event, address;
  while (events_.recv(event, zmq::recv_flags::dontwait)) {
    if (event.more()) (void)events_.recv(address, zmq::recv_flags::none);
    if (event.size() < 6) continue;
    std::uint16_t kind = 0;
    std::memcpy(&kind, event.data(), sizeof kind);
    news.any = true;
    switch (kind) {
      case ZMQ_EVENT_CONNECTED:
        news.connected_tcp = true;
        break;
      case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        news.handshake_done = true;
        news.disconnected = false;
        break;
      case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        news.auth_refused = true;
        break;
      case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
      case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
        news.wrong_protocol = true;
        break;
      case ZMQ_EVENT_DISCONNECTED:
        news.disconnected = true;
        news.handshake_done = false;
        break;
      default:
        break;
    }
  }
  return news;
}

}  // namespace driftloop::uplink
