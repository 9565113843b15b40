#include "uplink/zmq_vehicle_link.h"

#include <algorithm>
#include <zmq.hpp>

#include "config/check.h"
#include "uplink/keys.h"
#include "uplink/rate_cap.h"
#include "uplink/vehicle_session.h"
#include "uplink/zmq_transport.h"

namespace driftloop::uplink {
namespace {

using Clock = std::chrono::steady_clock;
using State = LinkReport::State;
constexpr int kSendQueue = 8;       // messages: what waits here cannot be overtaken by a better region
constexpr int kReceiveQueue = 256;  // messages
constexpr int kMaxReceivedPerStep = 256;
constexpr auto kFailedHandshakePause = std::chrono::seconds(1);

}  // namespace

void describe(config::Fields& f, VehicleLinkOptions& o) {
  f.field("station_endpoint", o.station_endpoint, "where the station listens, tcp://host:port");
  f.field("station_public_key", o.station_public_key,
          "the station's public key, 40 Z85 characters, or the path of its .pub file");
  f.field("secret_key_file", o.secret_key_file, "file of this vehicle's secret key (.key, mode 0600)");
  f.field("vehicle_id", o.vehicle_id,
          "the name of this vehicle's .pub file in the station's allow-list folder");
  f.field("offer_window", o.offer_window, {1, 128}, "regions on offer to the station at one time");
  f.field("chunk_bytes", o.chunk_bytes, {1024, static_cast<std::int64_t>(kMaxChunkBytes)},
          "unit of sending, resuming and overtaking, in bytes");
  f.field("in_flight_bytes", o.in_flight_bytes, {1024, 64 << 20},
          "bytes sent and not yet confirmed, at most; also bounded by the station's credit");
  f.field("rate_cap_bytes_per_s", o.rate_cap_bytes_per_s, {0, 1e10},
          "bytes a second of everything sent, at most; 0 = no cap");
  f.field("handshake_timeout_s", o.handshake_timeout_s, {0.1, 3600},
          "seconds after which the report says why there may be no connection");
  f.field("reply_timeout_s", o.reply_timeout_s, {0.5, 3600},
          "seconds of silence with work outstanding after which the link connects anew");
}

/// The socket: connecting, following the connection, pacing. What is said over it is the session's.
struct VehicleLink::Impl {
  Impl(const VehicleLinkOptions& options, Outbox& outbox);

  void open_socket();
  void reopen_socket(Clock::time_point now);
  void wait(std::chrono::milliseconds max_wait);
  void follow_connection(Clock::time_point now);
  void check_timeouts(Clock::time_point now);
  void receive(Clock::time_point now);
  void send(Clock::time_point now);
  bool send_now(const std::string& bytes);
  std::string unreachable_text() const;

  VehicleLinkOptions options;
  KeyPair keys;
  std::string station_key;
  zmq::context_t context;
  std::optional<zmq::socket_t> socket;
  std::optional<ConnectionMonitor> monitor;
  int sockets_opened = 0;

  VehicleSession session;
  RateCap rate_cap;
  bool reached_tcp = false;
  bool auth_refused = false;
  bool wants_to_write = false;  // a message waits for the socket to take it
  std::optional<Clock::time_point> reopen_at;
};

VehicleLink::Impl::Impl(const VehicleLinkOptions& o, Outbox& outbox)
    : options(o),
      keys(load_keys(o.secret_key_file)),
      station_key(load_public_key(o.station_public_key)),
      context(1),
      session(options, outbox),
      rate_cap(o.rate_cap_bytes_per_s) {
  open_socket();
}

void VehicleLink::Impl::open_socket() {
  socket.emplace(context, zmq::socket_type::dealer);
  set_safe_options(*socket, {static_cast<std::int64_t>(kMaxMessageDown), kSendQueue, kReceiveQueue});
  // Nothing is queued for a station that is not there: a session begins with Hello, not with leftovers.
  socket->set(zmq::sockopt::immediate, true);
  socket->set(zmq::sockopt::ipv6, true);
  socket->set(zmq::sockopt::curve_serverkey, station_key);
  socket->set(zmq::sockopt::curve_publickey, keys.public_z85);
  socket->set(zmq::sockopt::curve_secretkey, keys.secret_z85);
  monitor.emplace(context, *socket, "vehicle-" + std::to_string(++sockets_opened));
  try {
    socket->connect(options.station_endpoint);
  } catch (const zmq::error_t& error) {
    throw Error("cannot connect to the station at '" + options.station_endpoint + "': " + error.what() +
                " (expected tcp://host:port)");
  }
}

void VehicleLink::Impl::reopen_socket(Clock::time_point now) {
  session.disconnected(now);
  reopen_at.reset();
  zmq_socket_monitor(socket->handle(), nullptr, 0);
  monitor.reset();
  socket.reset();
  open_socket();
}

void VehicleLink::Impl::wait(std::chrono::milliseconds max_wait) {
  const bool write = !session.outgoing().empty() || wants_to_write;
  if (!write && session.has_chunk()) max_wait = std::min(max_wait, rate_cap.time_until_free(options.now()));
  const short events = static_cast<short>(ZMQ_POLLIN | (write ? ZMQ_POLLOUT : 0));
  zmq::pollitem_t items[] = {{socket->handle(), 0, events, 0},
                             {monitor->socket().handle(), 0, ZMQ_POLLIN, 0}};
  try {
    zmq::poll(items, 2, max_wait);
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw Error(std::string("waiting for the station failed: ") + error.what());
  }
}

void VehicleLink::Impl::follow_connection(Clock::time_point now) {
  const ConnectionNews news = monitor->drain();
  if (!news.any) return;
  reached_tcp |= news.connected_tcp;
  auth_refused |= news.auth_refused;
  // After a failed handshake libzmq gives the connection up for good: it takes a new socket.
  if ((news.auth_refused || news.wrong_protocol) && !reopen_at) reopen_at = now + kFailedHandshakePause;
  if (news.handshake_done) {
    auth_refused = false;
    session.connected(now);
  } else if (news.disconnected) {
    session.disconnected(now);
  }
}

std::string VehicleLink::Impl::unreachable_text() const {
  if (!reached_tcp && !auth_refused)
    return "nothing answers at " + options.station_endpoint + ": is the station running and reachable?";
  return "the station at " + options.station_endpoint +
         " does not answer: " + (auth_refused ? "" : "wrong station key, or ") +
         "this vehicle's public key " + keys.public_z85 + " is not in its allow-list (there: <folder>/" +
         options.vehicle_id + ".pub)";
}

void VehicleLink::Impl::check_timeouts(Clock::time_point now) {
  LinkReport& report = session.report();
  if (report.state == LinkReport::State::connecting) {
    if (reopen_at && now >= *reopen_at) reopen_socket(now);
    const bool long_down =
        now - session.down_since() >= std::chrono::duration<double>(options.handshake_timeout_s);
    if (auth_refused || long_down) report.problem = unreachable_text();
  } else if (session.is_overdue(now)) {
    report.problem = "the station at " + options.station_endpoint + " has gone silent; connecting anew";
    reopen_socket(now);
  }
}

void VehicleLink::Impl::receive(Clock::time_point now) {
  zmq::message_t frame;
  for (int count = 0; count < kMaxReceivedPerStep && session.can_take(); ++count) {
    if (!socket->recv(frame, zmq::recv_flags::dontwait)) return;
    session.report().totals.bytes_received += static_cast<std::int64_t>(frame.size() + kFrameOverheadBytes);
    // Of several frames none is ours: taken as no message at all.
    session.take(frame.more() ? std::string_view() : frame.to_string_view(), now);
  }
}

void VehicleLink::Impl::send(Clock::time_point now) {
  auto& first = session.outgoing();
  wants_to_write = false;
  while (!wants_to_write) {
    session.speak(now);  // a better region may have come meanwhile: it is next
    while (!first.empty() && send_now(first.front())) first.pop_front();
    if (wants_to_write || !rate_cap.may_send(now)) return;
    const auto chunk = session.next_chunk(rate_cap.chunk_bytes(session.chunk_bytes()));
    if (!chunk) return;
    if (send_now(chunk->message)) session.sent(*chunk);
  }
}

bool VehicleLink::Impl::send_now(const std::string& bytes) {
  if (!socket->send(zmq::buffer(bytes), zmq::send_flags::dontwait)) {
    wants_to_write = true;
    return false;
  }
  const std::size_t on_wire = bytes.size() + kFrameOverheadBytes;
  session.report().totals.bytes_sent += static_cast<std::int64_t>(on_wire);
  session.report().progress = true;
  rate_cap.spent(on_wire);
  return true;
}

VehicleLink::VehicleLink(const VehicleLinkOptions& options, Outbox& outbox)
    : impl_(std::make_unique<Impl>(options, outbox)) {}
VehicleLink::~VehicleLink() = default;
VehicleLink::VehicleLink(VehicleLink&&) noexcept = default;
VehicleLink& VehicleLink::operator=(VehicleLink&&) noexcept = default;

LinkReport VehicleLink::step(std::chrono::milliseconds max_wait) {
  Impl& link = *impl_;
  link.session.report().progress = false;
  link.wait(max_wait);
  const auto now = link.options.now();
  link.follow_connection(now);
  link.receive(now);
  link.session.commit(now);
  link.check_timeouts(now);
  link.send(now);
  return link.session.report();
}

const std::string& VehicleLink::public_key() const {
  return impl_->keys.public_z85;
}

}  // namespace driftloop::uplink
