#include "uplink/zmq_station_link.h"

#include <map>
#include <zmq.hpp>

#include "config/check.h"
#include "uplink/keys.h"
#include "uplink/station_sessions.h"
#include "uplink/zmq_transport.h"
#include "uplink/zmq_zap.h"

namespace driftloop::uplink {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kSendQueue = 512;    // messages a vehicle: labels under way are bounded by their own window
constexpr int kReceiveQueue = 16;  // messages a vehicle: the rest waits in its own socket
constexpr int kMaxSockets = 64;    // of the context: our own, not the peers
constexpr int kBacklog = 1024;     // all vehicles come back at once after a restart
constexpr int kMaxMessagesPerStep = 512;
constexpr auto kSameKeyAgain = std::chrono::seconds(60);
constexpr std::size_t kMaxRememberedKeys = 1024;

}  // namespace

/// The socket and its door: listening, who may connect, whole messages in and out. What is said is the
/// sessions'.
struct StationLink::Impl {
  Impl(const StationLinkOptions& options, StationHandler& handler);
  void bind();
  void wait(std::chrono::milliseconds max_wait);
  void keep_door(Clock::time_point now);
  void read_allow_list(Clock::time_point now);
  void receive();
  bool receive_one();
  bool send(const std::string& routing_id, const v1::Envelope& envelope);

  StationLinkOptions options;
  KeyPair keys;
  AllowList allowed;
  zmq::context_t context;
  ZapDoor door;
  zmq::socket_t socket;
  std::string endpoint;
  StationSessions sessions;
  std::map<std::string, Clock::time_point> told_keys;  // refused keys that were reported lately
};

StationLink::Impl::Impl(const StationLinkOptions& o, StationHandler& handler)
    : options(o),
      keys(load_keys(o.secret_key_file)),
      allowed(o.allow_folder),
      context(1),
      door(context),
      socket(context, zmq::socket_type::router),
      sessions(options, handler, [this](const std::string& routing_id, const v1::Envelope& message) {
        return send(routing_id, message);
      }) {
  bind();
}

void StationLink::Impl::bind() {
  context.set(zmq::ctxopt::max_sockets, kMaxSockets);
  set_safe_options(socket, {static_cast<std::int64_t>(kMaxMessageUp), kSendQueue, kReceiveQueue});
  // Both families where the address leaves it open; an IPv4 address stays one, also in the bound endpoint.
  socket.set(zmq::sockopt::ipv6, options.bind.find_first_of("*[") != std::string::npos &&
                                     options.bind.find("://127.") == std::string::npos);
  socket.set(zmq::sockopt::router_mandatory, true);
  socket.set(zmq::sockopt::backlog, kBacklog);
  socket.set(zmq::sockopt::curve_server, true);
  socket.set(zmq::sockopt::curve_secretkey, keys.secret_z85);
  socket.set(zmq::sockopt::zap_domain, kZapDomain);
  try {
    socket.bind(options.bind);
  } catch (const zmq::error_t& error) {
    const char* advice = error.num() == EADDRINUSE
                             ? " (another program listens there: stop it or choose another port)"
                             : " (expected tcp://address:port)";
    throw Error("cannot listen on '" + options.bind + "': " + error.what() + advice);
  }
  endpoint = socket.get(zmq::sockopt::last_endpoint);
}

void StationLink::Impl::wait(std::chrono::milliseconds max_wait) {
  zmq::pollitem_t items[] = {{socket.handle(), 0, ZMQ_POLLIN, 0}, {door.socket().handle(), 0, ZMQ_POLLIN, 0}};
  try {
    zmq::poll(items, 2, max_wait);
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw Error(std::string("waiting for vehicles failed: ") + error.what());
  }
}

void StationLink::Impl::read_allow_list(Clock::time_point now) {
  if (!allowed.refresh(now)) return;
  StationReport& report = sessions.report();
  note(report, StationEvent::Kind::allow_list, "",
       "allow-list " + options.allow_folder + ": " + std::to_string(allowed.size()) + " vehicles");
  for (const auto& problem_text : allowed.problems())
    note(report, StationEvent::Kind::allow_list, "", "allow-list: " + problem_text);
  sessions.drop_revoked([this](const std::string& public_key) { return allowed.vehicle_of(public_key); });
}

void StationLink::Impl::keep_door(Clock::time_point now) {
  read_allow_list(now);
  StationReport& report = sessions.report();
  for (const auto& key : door.answer(allowed)) {
    ++report.totals.keys_refused;
    const auto told = told_keys.find(key);
    if (told != told_keys.end() && now - told->second < kSameKeyAgain) continue;
    if (told_keys.size() >= kMaxRememberedKeys) told_keys.clear();
    told_keys[key] = now;
    note(report, StationEvent::Kind::key_refused, "",
         "a vehicle with the public key " + key + " was turned away: not in the allow-list " +
             options.allow_folder + " (to admit it, save the key there as <vehicle id>.pub)");
  }
}

void StationLink::Impl::receive() {
  for (int count = 0; count < kMaxMessagesPerStep && sessions.can_take(); ++count)
    if (!receive_one()) return;
}

bool StationLink::Impl::receive_one() {
  zmq::message_t frame, body;
  if (!socket.recv(frame, zmq::recv_flags::dontwait)) return false;
  StationSessions::Inbound in{frame.to_string(), "", "", {}};
  bool is_single = frame.more();
  if (is_single) (void)socket.recv(body, zmq::recv_flags::none);
  if (const char* user = zmq_msg_gets(body.handle(), "User-Id")) in.public_key = user;
  if (const std::string* vehicle_id = allowed.vehicle_of(in.public_key)) in.vehicle_id = *vehicle_id;
  for (; body.more(); is_single = false)  // we never send more than one: whoever does is not one of ours
    (void)socket.recv(body, zmq::recv_flags::none);
  sessions.report().totals.bytes_received += static_cast<std::int64_t>(body.size() + kFrameOverheadBytes);
  if (is_single) in.bytes = body.to_string_view();
  sessions.take(in);
  return true;
}

bool StationLink::Impl::send(const std::string& routing_id, const v1::Envelope& envelope) {
  const std::string bytes = pack(envelope);
  try {
    if (!socket.send(zmq::buffer(routing_id), zmq::send_flags::sndmore | zmq::send_flags::dontwait) ||
        !socket.send(zmq::buffer(bytes), zmq::send_flags::dontwait))
      return false;
  } catch (const zmq::error_t& error) {
    if (error.num() == EHOSTUNREACH) return false;
    throw Error(std::string("sending to a vehicle failed: ") + error.what());
  }
  sessions.report().totals.bytes_sent += static_cast<std::int64_t>(bytes.size() + kFrameOverheadBytes);
  return true;
}

StationLink::StationLink(const StationLinkOptions& options, StationHandler& handler)
    : impl_(std::make_unique<Impl>(options, handler)) {}
StationLink::~StationLink() = default;
StationLink::StationLink(StationLink&&) noexcept = default;
StationLink& StationLink::operator=(StationLink&&) noexcept = default;

StationReport StationLink::step(std::chrono::milliseconds max_wait) {
  Impl& link = *impl_;
  StationReport& report = link.sessions.report();
  report.progress = false;
  report.events.clear();
  link.wait(max_wait);
  link.keep_door(link.options.now());
  link.receive();
  link.sessions.commit_and_answer();
  return report;
}

void StationLink::labels_ready(const std::string& vehicle_id) {
  impl_->sessions.labels_ready(vehicle_id);
}

const std::string& StationLink::endpoint() const {
  return impl_->endpoint;
}

const std::string& StationLink::public_key() const {
  return impl_->keys.public_z85;
}

}  // namespace driftloop::uplink
