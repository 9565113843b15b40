#include "uplink/zmq_station_link.h"

#include <algorithm>
#include <map>
#include <set>
#include <zmq.hpp>

#include "config/check.h"
#include "uplink/digest.h"
#include "uplink/keys.h"
#include "uplink/partials.h"
#include "uplink/wire.h"
#include "uplink/zmq_transport.h"
#include "uplink/zmq_zap.h"

namespace driftloop::uplink {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kSendQueue = 512;    // messages a vehicle: labels under way are bounded by their own window
constexpr int kReceiveQueue = 16;  // messages a vehicle: the rest waits in its own socket
constexpr int kMaxSockets = 64;    // of the context: our own, not the peers
constexpr int kBacklog = 1024;     // all vehicles come back at once after a restart
// One step ends with one commit: this bounds both its memory and the wait for its receipts.
constexpr int kMaxMessagesPerStep = 512;
constexpr std::size_t kMaxArrivedBytesPerStep = 8u << 20;
constexpr std::size_t kMaxEventsPerStep = 64;
constexpr auto kSameKeyAgain = std::chrono::seconds(60);
constexpr std::size_t kMaxRememberedKeys = 1024;

struct Session {
  std::string routing_id;
  std::string vehicle_id;
  std::string public_key;
  std::map<std::string, std::size_t> offered;  // digest -> size, wanted from here
  std::int64_t label_cursor = 0;
  std::set<std::string> labels_under_way;
  bool labels_due = true;
};

struct Inbound {
  std::string routing_id;
  std::string public_key;  // as proven in the handshake
  zmq::message_t body;
  bool single = true;
};

}  // namespace

struct StationLink::Impl {
  Impl(const StationLinkOptions& options, StationHandler& handler);
  void bind();
  void wait(std::chrono::milliseconds max_wait);
  void keep_door(Clock::time_point now);
  void drop_revoked();
  void drop_lost();
  void event(StationEvent::Kind kind, const std::string& vehicle_id, std::string text);

  void receive();
  bool receive_one(Inbound& in);
  void handle(const Inbound& in);
  void on_hello(const Inbound& in, const std::string& vehicle_id, const v1::Hello& hello);
  void on_offer(Session& session, const v1::Offer& offer);
  void on_chunk(Session& session, const v1::Chunk& chunk);
  void on_whole(Session& session, const std::string& digest, std::string bytes);
  void on_label_receipt(Session& session, const v1::LabelReceipt& receipt);

  void commit();
  void answer(const ArrivedRegion& region, const RegionVerdict& verdict,
              std::map<std::string, v1::Envelope>& receipts);
  void send_labels();
  void send_labels_to(Session& session);
  bool send(const std::string& routing_id, const v1::Envelope& envelope);
  void problem(const std::string& routing_id, v1::Problem::Code code, const std::string& digest,
               const std::string& text);

  StationLinkOptions options;
  StationHandler& handler;
  KeyPair keys;
  AllowList allowed;
  zmq::context_t context;
  ZapDoor door;
  zmq::socket_t socket;
  std::string endpoint;

  Partials partials;
  std::map<std::string, Session> sessions;             // by routing id
  std::map<std::string, std::string> routing_ids;      // by vehicle id: its newest session
  std::map<std::string, Clock::time_point> told_keys;  // refused keys that were reported lately
  std::vector<std::string> lost;                       // routing ids whose sessions end with this step
  std::vector<ArrivedRegion> arrived;
  std::size_t arrived_bytes = 0;
  StationReport report;
};

StationLink::Impl::Impl(const StationLinkOptions& o, StationHandler& h)
    : options(o),
      handler(h),
      keys(load_keys(o.secret_key_file)),
      allowed(o.allow_folder),
      context(1),
      door(context),
      socket(context, zmq::socket_type::router),
      partials({static_cast<std::size_t>(o.vehicle_buffer_bytes),
                static_cast<std::size_t>(o.total_buffer_bytes)}) {
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

void StationLink::Impl::event(StationEvent::Kind kind, const std::string& vehicle_id, std::string text) {
  if (report.events.size() < kMaxEventsPerStep) report.events.push_back({kind, vehicle_id, std::move(text)});
}

void StationLink::Impl::wait(std::chrono::milliseconds max_wait) {
  zmq::pollitem_t items[] = {{socket.handle(), 0, ZMQ_POLLIN, 0}, {door.socket().handle(), 0, ZMQ_POLLIN, 0}};
  try {
    zmq::poll(items, 2, max_wait);
  } catch (const zmq::error_t& error) {
    if (error.num() != EINTR) throw Error(std::string("waiting for vehicles failed: ") + error.what());
  }
}

void StationLink::Impl::keep_door(Clock::time_point now) {
  if (allowed.refresh(now)) {
    event(StationEvent::Kind::allow_list, "",
          "allow-list " + options.allow_folder + ": " + std::to_string(allowed.size()) + " vehicles");
    for (const auto& problem_text : allowed.problems())
      event(StationEvent::Kind::allow_list, "", "allow-list: " + problem_text);
    drop_revoked();
  }
  for (const auto& key : door.answer(allowed)) {
    ++report.totals.keys_refused;
    const auto told = told_keys.find(key);
    if (told != told_keys.end() && now - told->second < kSameKeyAgain) continue;
    if (told_keys.size() >= kMaxRememberedKeys) told_keys.clear();
    told_keys[key] = now;
    event(StationEvent::Kind::key_refused, "",
          "a vehicle with the public key " + key + " was turned away: not in the allow-list " +
              options.allow_folder + " (to admit it, save the key there as <vehicle id>.pub)");
  }
}

void StationLink::Impl::drop_revoked() {
  for (const auto& [routing_id, session] : sessions) {
    const std::string* vehicle_id = allowed.vehicle_of(session.public_key);
    if (vehicle_id && *vehicle_id == session.vehicle_id) continue;
    event(StationEvent::Kind::refused, session.vehicle_id,
          "vehicle " + session.vehicle_id + " was taken off the allow-list");
    problem(routing_id, v1::Problem::REVOKED, "", "its key was taken off the allow-list");
    lost.push_back(routing_id);
  }
  drop_lost();
}

void StationLink::Impl::drop_lost() {
  for (const auto& routing_id : lost) {
    const auto session = sessions.find(routing_id);
    if (session == sessions.end()) continue;
    const auto newest = routing_ids.find(session->second.vehicle_id);
    if (newest != routing_ids.end() && newest->second == routing_id) routing_ids.erase(newest);
    sessions.erase(session);
  }
  lost.clear();
}

bool StationLink::Impl::receive_one(Inbound& in) {
  zmq::message_t frame;
  if (!socket.recv(frame, zmq::recv_flags::dontwait)) return false;
  in.routing_id = frame.to_string();
  in.single = true;
  if (!frame.more()) return in.body.rebuild(), true;
  (void)socket.recv(in.body, zmq::recv_flags::none);
  const char* user = in.body.gets("User-Id");
  in.public_key = user ? user : "";
  while (in.body.more()) {  // we never send more than one frame: whoever does is not one of ours
    in.single = false;
    (void)socket.recv(in.body, zmq::recv_flags::none);
  }
  report.totals.bytes_received += static_cast<std::int64_t>(in.body.size() + kFrameOverheadBytes);
  return true;
}

void StationLink::Impl::receive() {
  Inbound in;
  for (int count = 0; count < kMaxMessagesPerStep && arrived_bytes < kMaxArrivedBytesPerStep; ++count) {
    if (!receive_one(in)) return;
    report.progress = true;
    handle(in);
  }
}

void StationLink::Impl::handle(const Inbound& in) {
  const std::string* vehicle_id = allowed.vehicle_of(in.public_key);
  // Admitted once, taken off the list since: its session has ended, its connection can only be ignored.
  if (!vehicle_id)
    return problem(in.routing_id, v1::Problem::REVOKED, "", "its key is not in the allow-list");
  v1::Envelope message;
  if (!in.single || !unpack(in.body.to_string_view(), message)) {
    ++report.totals.malformed;
    return problem(in.routing_id, v1::Problem::MALFORMED, "", "not a driftloop message");
  }
  if (message.has_hello()) return on_hello(in, *vehicle_id, message.hello());
  const auto found = sessions.find(in.routing_id);
  if (found == sessions.end()) return problem(in.routing_id, v1::Problem::HELLO_FIRST, "", "say Hello first");
  if (message.has_offer()) return on_offer(found->second, message.offer());
  if (message.has_chunk()) return on_chunk(found->second, message.chunk());
  if (message.has_label_receipt()) return on_label_receipt(found->second, message.label_receipt());
  ++report.totals.malformed;
}

void StationLink::Impl::on_hello(const Inbound& in, const std::string& vehicle_id, const v1::Hello& hello) {
  v1::Envelope out;
  v1::HelloReply& reply = *out.mutable_hello_reply();
  reply.set_major(kProtocolMajor);
  reply.set_minor(kProtocolMinor);
  reply.set_session(hello.session());
  if (hello.major() != kProtocolMajor)
    reply.set_reason("the station speaks protocol " + std::to_string(kProtocolMajor) + ", the vehicle " +
                     std::to_string(hello.major()) + ": update the older one");
  else if (hello.vehicle_id() != vehicle_id)
    reply.set_reason("its key is in the allow-list as '" + vehicle_id + "' (" + vehicle_id +
                     ".pub), but it calls itself '" + hello.vehicle_id().substr(0, 64) +
                     "': make the two the same");
  reply.set_accepted(reply.reason().empty());
  if (!reply.accepted()) {
    event(StationEvent::Kind::refused, vehicle_id, "vehicle " + vehicle_id + " refused: " + reply.reason());
    send(in.routing_id, out);
    return;
  }
  reply.set_credit_bytes(static_cast<std::uint64_t>(options.credit_bytes));
  reply.set_max_region_bytes(kMaxRegionBytes);
  reply.set_max_chunk_bytes(kMaxChunkBytes);
  reply.set_max_offers(kMaxOffers);
  const auto before = routing_ids.find(vehicle_id);
  if (before != routing_ids.end() && before->second != in.routing_id) sessions.erase(before->second);
  routing_ids[vehicle_id] = in.routing_id;
  // A second Hello on one connection keeps what is under way: it cannot be used to have labels sent over and
  // over.
  Session& session = sessions[in.routing_id];
  session.routing_id = in.routing_id;
  session.vehicle_id = vehicle_id;
  session.public_key = in.public_key;
  session.offered.clear();
  if (send(in.routing_id, out))
    event(StationEvent::Kind::connected, vehicle_id,
          "vehicle " + vehicle_id + " connected (" + hello.software().substr(0, 64) + ")");
}

void StationLink::Impl::on_offer(Session& session, const v1::Offer& offer) {
  std::vector<std::string> digests;
  std::vector<std::size_t> sizes;
  for (const auto& item : offer.items()) {
    const auto digest = hex_digest(item.digest());
    if (!digest || item.size() == 0 || item.size() > kMaxRegionBytes) {
      ++report.totals.malformed;
      if (digest)
        problem(session.routing_id, v1::Problem::TOO_LARGE, *digest, "a region takes 1 byte to 4 MiB");
      continue;
    }
    digests.push_back(*digest);
    sizes.push_back(static_cast<std::size_t>(item.size()));
  }
  const std::vector<bool> known = handler.known(session.vehicle_id, digests);
  v1::Envelope out;
  v1::Want& want = *out.mutable_want();
  want.set_credit_bytes(static_cast<std::uint64_t>(options.credit_bytes));
  for (std::size_t i = 0; i < digests.size(); ++i) {
    if (known[i]) {
      want.add_have(raw_digest(digests[i]));
      continue;
    }
    if (session.offered.size() >= kMaxOffers && !session.offered.count(digests[i])) {
      problem(session.routing_id, v1::Problem::NOT_OFFERED, digests[i], "more on offer than was agreed");
      continue;
    }
    session.offered[digests[i]] = sizes[i];
    auto& item = *want.add_items();
    item.set_digest(raw_digest(digests[i]));
    item.set_offset(partials.held(session.vehicle_id, digests[i]));
  }
  send(session.routing_id, out);
}

void StationLink::Impl::on_chunk(Session& session, const v1::Chunk& chunk) {
  const auto digest = hex_digest(chunk.digest());
  const bool whole = digest && !chunk.data().empty() && chunk.data().size() <= kMaxChunkBytes &&
                     crc32_of(chunk.data()) == chunk.crc32();
  if (!digest) {
    ++report.totals.malformed;
    return;
  }
  const auto offered = session.offered.find(*digest);
  if (offered == session.offered.end())
    return problem(session.routing_id, v1::Problem::NOT_OFFERED, *digest, "offer it first");
  Partials::Taken taken;
  if (whole)
    taken = partials.take(session.vehicle_id, *digest, {chunk.offset(), chunk.data(), offered->second});
  else
    taken = {partials.held(session.vehicle_id, *digest), true, {}};
  v1::Envelope out;
  if (taken.gap) {
    ++report.totals.malformed;
    auto& item = *out.mutable_want()->add_items();
    item.set_digest(chunk.digest());
    item.set_offset(taken.held);
    send(session.routing_id, out);
  } else if (taken.whole) {
    on_whole(session, *digest, std::move(*taken.whole));
  } else {
    out.mutable_progress()->set_digest(chunk.digest());
    out.mutable_progress()->set_confirmed(taken.held);
    send(session.routing_id, out);
  }
}

void StationLink::Impl::on_whole(Session& session, const std::string& digest, std::string bytes) {
  session.offered.erase(digest);
  if (digest_of(bytes) != digest) {
    event(StationEvent::Kind::misbehaved, session.vehicle_id,
          "vehicle " + session.vehicle_id + " sent bytes that do not match their digest " + digest);
    return problem(session.routing_id, v1::Problem::DIGEST_MISMATCH, digest,
                   "the bytes do not match the digest");
  }
  arrived_bytes += bytes.size();
  arrived.push_back({session.vehicle_id, digest, std::move(bytes)});
}

void StationLink::Impl::on_label_receipt(Session& session, const v1::LabelReceipt& receipt) {
  std::vector<LabelAck> acks;
  for (const auto& item : receipt.items()) {
    const auto digest = hex_digest(item.request_digest());
    // Only what was sent to this vehicle in this session can be acknowledged by it.
    if (!digest || session.labels_under_way.erase(*digest) == 0) continue;
    LabelAck ack{*digest, LabelAck::Status::stored};
    if (item.status() == v1::LabelReceipt::UNKNOWN_REQUEST) ack.status = LabelAck::Status::unknown_request;
    if (item.status() == v1::LabelReceipt::MALFORMED) ack.status = LabelAck::Status::malformed;
    acks.push_back(std::move(ack));
  }
  if (acks.empty()) return;
  handler.acknowledge(session.vehicle_id, acks);
  report.totals.labels_acknowledged += static_cast<std::int64_t>(acks.size());
  session.labels_due = true;
}

void StationLink::Impl::commit() {
  if (arrived.empty()) return;
  const auto verdicts = handler.commit(arrived);
  DL_CHECK(verdicts.size() == arrived.size(), verdicts.size(), arrived.size());
  std::map<std::string, v1::Envelope> receipts;  // by vehicle
  for (std::size_t i = 0; i < arrived.size(); ++i) answer(arrived[i], verdicts[i], receipts);
  for (const auto& [vehicle_id, receipt] : receipts) {
    const auto routing_id = routing_ids.find(vehicle_id);
    if (routing_id != routing_ids.end()) send(routing_id->second, receipt);
  }
  arrived.clear();
  arrived_bytes = 0;
}

void StationLink::Impl::answer(const ArrivedRegion& region, const RegionVerdict& verdict,
                               std::map<std::string, v1::Envelope>& receipts) {
  if (verdict.kind == RegionVerdict::Kind::later) {
    event(StationEvent::Kind::store_full, region.vehicle_id,
          "the station's disk is full: regions of " + region.vehicle_id + " wait on the vehicle");
    const auto routing_id = routing_ids.find(region.vehicle_id);
    if (routing_id != routing_ids.end())
      problem(routing_id->second, v1::Problem::STORE_FULL, region.digest, "the station's disk is full");
    return;
  }
  auto& item = *receipts[region.vehicle_id].mutable_receipt()->add_items();
  item.set_digest(raw_digest(region.digest));
  if (verdict.kind == RegionVerdict::Kind::stored) {
    item.set_status(v1::Receipt::STORED);
    ++report.totals.regions_stored;
    return;
  }
  item.set_status(v1::Receipt::REFUSED);
  item.set_reason(verdict.reason);
  ++report.totals.regions_refused;
  event(StationEvent::Kind::misbehaved, region.vehicle_id,
        "a region of " + region.vehicle_id + " was refused: " + verdict.reason);
}

void StationLink::Impl::send_labels() {
  std::vector<std::string> due;
  for (const auto& [routing_id, session] : sessions)
    if (session.labels_due) due.push_back(routing_id);
  for (const auto& routing_id : due) send_labels_to(sessions.at(routing_id));
}

void StationLink::Impl::send_labels_to(Session& session) {
  const auto window = static_cast<std::size_t>(options.label_window);
  session.labels_due = false;
  if (session.labels_under_way.size() >= window) return;  // due again with the next acknowledgement
  const auto labels = handler.labels_after(session.vehicle_id, session.label_cursor,
                                           window - session.labels_under_way.size());
  const std::string routing_id = session.routing_id;
  for (const auto& label : labels) {
    v1::Envelope out;
    out.mutable_label()->set_request_digest(raw_digest(label.request_digest));
    out.mutable_label()->set_answer(label.payload);
    out.mutable_label()->set_answer_digest(raw_digest(digest_of(label.payload)));
    if (!send(routing_id, out)) return;  // the session is over
    session.label_cursor = label.row_id;
    session.labels_under_way.insert(label.request_digest);
    ++report.totals.labels_sent;
  }
}

bool StationLink::Impl::send(const std::string& routing_id, const v1::Envelope& envelope) {
  const std::string bytes = pack(envelope);
  try {
    if (socket.send(zmq::buffer(routing_id), zmq::send_flags::sndmore | zmq::send_flags::dontwait) &&
        socket.send(zmq::buffer(bytes), zmq::send_flags::dontwait)) {
      report.totals.bytes_sent += static_cast<std::int64_t>(bytes.size() + kFrameOverheadBytes);
      return true;
    }
  } catch (const zmq::error_t& error) {
    if (error.num() != EHOSTUNREACH) throw Error(std::string("sending to a vehicle failed: ") + error.what());
  }
  // Gone, or it does not read: nothing more for it until it greets again.
  ++report.totals.unreachable;
  lost.push_back(routing_id);
  return false;
}

void StationLink::Impl::problem(const std::string& routing_id, v1::Problem::Code code,
                                const std::string& digest, const std::string& text) {
  v1::Envelope out;
  out.mutable_problem()->set_code(code);
  if (!digest.empty()) out.mutable_problem()->set_digest(raw_digest(digest));
  out.mutable_problem()->set_text(text);
  send(routing_id, out);
}

StationLink::StationLink(const StationLinkOptions& options, StationHandler& handler)
    : impl_(std::make_unique<Impl>(options, handler)) {}
StationLink::~StationLink() = default;
StationLink::StationLink(StationLink&&) noexcept = default;
StationLink& StationLink::operator=(StationLink&&) noexcept = default;

StationReport StationLink::step(std::chrono::milliseconds max_wait) {
  Impl& link = *impl_;
  link.report.progress = false;
  link.report.events.clear();
  link.wait(max_wait);
  link.keep_door(link.options.now());
  link.receive();
  link.commit();
  link.send_labels();
  link.drop_lost();
  link.report.vehicles = static_cast<int>(link.sessions.size());
  return link.report;
}

void StationLink::labels_ready(const std::string& vehicle_id) {
  const auto routing_id = impl_->routing_ids.find(vehicle_id);
  if (routing_id == impl_->routing_ids.end()) return;
  const auto session = impl_->sessions.find(routing_id->second);
  if (session != impl_->sessions.end()) session->second.labels_due = true;
}

const std::string& StationLink::endpoint() const {
  return impl_->endpoint;
}

const std::string& StationLink::public_key() const {
  return impl_->keys.public_z85;
}

}  // namespace driftloop::uplink
