#include <zmq.hpp>

#include "config/check.h"
#include "uplink/keys.h"
#include "uplink/probe.h"
#include "uplink/zmq_transport.h"

namespace driftloop::uplink {
namespace {
using Clock = std::chrono::steady_clock;

constexpr std::int64_t kMaxMessage = 1 << 16;  // nothing is to come
constexpr auto kLook = std::chrono::milliseconds(100);

}  // namespace

StationProbe probe_station(const VehicleLinkOptions& options, std::chrono::milliseconds patience) {
  const KeyPair keys = load_keys(options.secret_key_file);
  const std::string station_key = load_public_key(options.station_public_key);
  zmq::context_t context(1);
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  set_safe_options(socket, {kMaxMessage, 1, 1});
  socket.set(zmq::sockopt::ipv6, true);
  socket.set(zmq::sockopt::curve_serverkey, station_key);
  socket.set(zmq::sockopt::curve_publickey, keys.public_z85);
  socket.set(zmq::sockopt::curve_secretkey, keys.secret_z85);
  ConnectionMonitor monitor(context, socket, "probe");
  try {
    socket.connect(options.station_endpoint);
  } catch (const zmq::error_t& error) {
    throw Error("cannot connect to the station at '" + options.station_endpoint + "': " + error.what() +
                " (expected tcp://host:port)");
  }
  StationProbe probe;
  probe.public_key = keys.public_z85;
  const auto until = Clock::now() + patience;
  while (Clock::now() < until) {
    zmq::pollitem_t item{monitor.socket().handle(), 0, ZMQ_POLLIN, 0};
    zmq::poll(&item, 1, kLook);
    const ConnectionNews news = monitor.drain();
    if (news.connected_tcp) probe.answer = StationProbe::Answer::no_station;
    if (news.handshake_done) probe.answer = StationProbe::Answer::accepted;
    if (news.auth_refused) probe.answer = StationProbe::Answer::refused;
    if (news.handshake_done || news.auth_refused || news.wrong_protocol) break;
  }
  zmq_socket_monitor(socket.handle(), nullptr, 0);
  return probe;
}

}  // namespace driftloop::uplink
