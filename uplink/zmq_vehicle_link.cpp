#include "uplink/zmq_vehicle_link.h"

#include <algorithm>
#include <deque>
#include <random>
#include <zmq.hpp>

#include "config/check.h"
#include "uplink/digest.h"
#include "uplink/keys.h"
#include "uplink/rate_cap.h"
#include "uplink/transfers.h"
#include "uplink/wire.h"
#include "uplink/zmq_transport.h"

namespace driftloop::uplink {
namespace {

using Clock = std::chrono::steady_clock;
using State = LinkReport::State;
constexpr int kSendQueue = 8;       // messages: what waits here cannot be overtaken by a better region
constexpr int kReceiveQueue = 256;  // messages
constexpr int kMaxReceivedPerStep = 256;
constexpr auto kRefusedPause = std::chrono::seconds(10);  // before greeting again a station that said no
constexpr auto kFailedHandshakePause = std::chrono::seconds(1);
constexpr auto kFullPause = std::chrono::seconds(2);  // before offering again to a station that is full

Clock::duration seconds(double s) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(s));
}

}  // namespace

void describe(config::Fields& f, VehicleLinkOptions& o) {
  f.field("station_endpoint", o.station_endpoint, "where the station listens, tcp://host:port");
  f.field("station_public_key", o.station_public_key,
          "the station's public key, or the path of its .pub file");
  f.field("secret_key_file", o.secret_key_file, "this vehicle's secret key (.key, mode 0600)");
  f.field("vehicle_id", o.vehicle_id, "the name of this vehicle's .pub file in the station's allow-list");
  f.field("offer_window", o.offer_window, {1, 128}, "regions on offer at one time");
  f.field("chunk_bytes", o.chunk_bytes, {1024, static_cast<std::int64_t>(kMaxChunkBytes)},
          "unit of sending, resuming and overtaking");
  f.field("in_flight_bytes", o.in_flight_bytes, {1024, 64 << 20}, "sent and not yet confirmed, at most");
  f.field("rate_cap_bytes_per_s", o.rate_cap_bytes_per_s, {0, 1e10}, "of everything sent; 0 = no cap");
  f.field("handshake_timeout_s", o.handshake_timeout_s, {0.1, 3600},
          "then say why there may be no connection");
  f.field("reply_timeout_s", o.reply_timeout_s, {0.5, 3600}, "connect anew when a due answer takes longer");
}

struct VehicleLink::Impl {
  Impl(const VehicleLinkOptions& options, Outbox& outbox);

  void open_socket();
  void close_socket();
  void wait(std::chrono::milliseconds max_wait);
  void follow_connection(Clock::time_point now);
  void lose_session(Clock::time_point now);
  void check_timeouts(Clock::time_point now);
  void greet(Clock::time_point now);

  void receive(Clock::time_point now);
  void handle(const v1::Envelope& in, Clock::time_point now);
  void on_hello_reply(const v1::HelloReply& reply, Clock::time_point now);
  void on_want(const v1::Want& want);
  void on_receipt(const v1::Receipt& receipt);
  void on_problem(const v1::Problem& problem, Clock::time_point now);

  void commit();
  void commit_receipts();
  void commit_labels();
  void offer_more(Clock::time_point now);
  void send_chunks(Clock::time_point now);
  bool send_chunk(Transfers::Transfer& transfer);
  bool may_send_chunk(Clock::time_point now);
  void post(const v1::Envelope& envelope);
  bool flush();
  bool send_now(const std::string& bytes);
  std::string unreachable_text() const;

  VehicleLinkOptions options;
  Outbox& outbox;
  KeyPair keys;
  std::string station_key;
  zmq::context_t context;
  std::optional<zmq::socket_t> socket;
  std::optional<ConnectionMonitor> monitor;
  int sockets_opened = 0;

  LinkReport report;
  Transfers transfers;
  RateCap rate_cap;
  std::deque<std::string> outgoing;  // control messages that the socket has not taken yet
  std::vector<std::string> receipted;
  std::vector<std::pair<std::string, std::string>> refused;
  std::vector<ArrivedLabel> arrived_labels;

  std::uint64_t session = 0;
  std::uint64_t seen_revision = 0;
  std::size_t credit_bytes = 0;
  std::size_t max_offers = 0;
  bool reached_tcp = false;
  bool auth_refused = false;
  bool disk_is_full = false;
  bool wants_to_write = false;
  Clock::time_point not_up_since;
  Clock::time_point last_heard;
  Clock::time_point offers_after;
  std::optional<Clock::time_point> reopen_at;
};

VehicleLink::Impl::Impl(const VehicleLinkOptions& o, Outbox& box)
    : options(o),
      outbox(box),
      keys(load_keys(o.secret_key_file)),
      station_key(load_public_key(o.station_public_key)),
      context(1),
      rate_cap(o.rate_cap_bytes_per_s) {
  if (!is_vehicle_id(o.vehicle_id))
    throw Error("'" + o.vehicle_id + "' is not a vehicle id: 1 to 64 characters of [A-Za-z0-9._-]");
  not_up_since = last_heard = offers_after = options.now();
  open_socket();
}

void VehicleLink::Impl::open_socket() {
  reopen_at.reset();
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

void VehicleLink::Impl::close_socket() {
  zmq_socket_monitor(socket->handle(), nullptr, 0);
  monitor.reset();
  socket.reset();
}

void VehicleLink::Impl::wait(std::chrono::milliseconds max_wait) {
  const auto now = options.now();
  if (transfers.next() && outgoing.empty() && may_send_chunk(now) && !wants_to_write)
    max_wait = std::chrono::milliseconds(0);
  else if (transfers.next())
    max_wait = std::min(max_wait, rate_cap.time_until_free(now));
  const bool write = !outgoing.empty() || wants_to_write;
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
  if (news.disconnected || news.handshake_done) lose_session(now);
  if (!news.handshake_done) return;
  auth_refused = false;
  greet(now);
}

void VehicleLink::Impl::lose_session(Clock::time_point now) {
  if (report.state == State::up) not_up_since = now;
  report.state = State::connecting;
  transfers.clear();
  outgoing.clear();
  arrived_labels.clear();  // not acknowledged: the station sends them again
  seen_revision = 0;
  wants_to_write = false;
}

void VehicleLink::Impl::greet(Clock::time_point now) {
  std::random_device random;
  session = (static_cast<std::uint64_t>(random()) << 32) | random();
  v1::Envelope out;
  v1::Hello& hello = *out.mutable_hello();
  hello.set_major(kProtocolMajor);
  hello.set_minor(kProtocolMinor);
  hello.set_vehicle_id(options.vehicle_id);
  hello.set_session(session);
  hello.set_software("driftloop");
  report.state = State::greeting;
  last_heard = now;
  post(out);
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
  if (report.state == State::connecting) {
    if (reopen_at && now >= *reopen_at) {
      close_socket();
      open_socket();
    }
    if (auth_refused || now - not_up_since >= seconds(options.handshake_timeout_s))
      report.problem = unreachable_text();
    return;
  }
  if (report.state == State::refused) {
    if (now - last_heard >= kRefusedPause) greet(now);
    return;
  }
  const bool due = report.state == State::greeting || transfers.awaits_station();
  if (!due || now - last_heard < seconds(options.reply_timeout_s)) return;
  report.problem = "the station at " + options.station_endpoint + " has gone silent; connecting anew";
  close_socket();
  lose_session(now);
  last_heard = now;
  open_socket();
}

void VehicleLink::Impl::receive(Clock::time_point now) {
  zmq::message_t frame;
  v1::Envelope in;
  for (int count = 0; count < kMaxReceivedPerStep && !disk_is_full; ++count) {
    if (!socket->recv(frame, zmq::recv_flags::dontwait)) return;
    report.totals.bytes_received += static_cast<std::int64_t>(frame.size() + kFrameOverheadBytes);
    report.progress = true;
    last_heard = now;
    if (frame.more() || !unpack(frame.to_string_view(), in)) {
      ++report.totals.malformed;
      continue;
    }
    handle(in, now);
  }
}

void VehicleLink::Impl::handle(const v1::Envelope& in, Clock::time_point now) {
  // What the station says about durable things holds for ever; the rest only within its session.
  if (in.has_hello_reply()) return on_hello_reply(in.hello_reply(), now);
  if (in.has_receipt()) return on_receipt(in.receipt());
  if (in.has_problem()) return on_problem(in.problem(), now);
  if (report.state != State::up) return;
  if (in.has_label()) {
    arrived_labels.push_back({hex_digest(in.label().request_digest()).value_or(""), in.label().answer()});
    return;
  }
  if (in.has_want()) return on_want(in.want());
  if (in.has_progress()) {
    const auto digest = hex_digest(in.progress().digest());
    if (!digest || !transfers.confirm(*digest, in.progress().confirmed())) ++report.totals.malformed;
    return;
  }
  ++report.totals.malformed;
}

void VehicleLink::Impl::on_hello_reply(const v1::HelloReply& reply, Clock::time_point now) {
  if (reply.session() != session || report.state == State::up) return;
  if (!reply.accepted()) {
    report.state = State::refused;
    report.problem =
        "the station at " + options.station_endpoint + " refuses this vehicle: " + reply.reason();
    return;
  }
  if (reply.major() != kProtocolMajor) {
    report.state = State::refused;
    report.problem = "the station at " + options.station_endpoint + " speaks protocol " +
                     std::to_string(reply.major()) + ", this vehicle " + std::to_string(kProtocolMajor) +
                     ": update the older one";
    return;
  }
  report.state = State::up;
  report.problem.clear();
  ++report.totals.connections;
  credit_bytes = static_cast<std::size_t>(reply.credit_bytes());
  max_offers = std::min<std::size_t>(reply.max_offers(), kMaxOffers);
  if (reply.max_chunk_bytes() >= 1024)
    options.chunk_bytes = std::min(options.chunk_bytes, static_cast<int>(reply.max_chunk_bytes()));
  offers_after = now;
}

void VehicleLink::Impl::on_want(const v1::Want& want) {
  if (want.credit_bytes() > 0) credit_bytes = static_cast<std::size_t>(want.credit_bytes());
  for (const auto& item : want.items()) {
    const auto digest = hex_digest(item.digest());
    if (!digest || !transfers.want(*digest, item.offset()))
      ++report.totals.malformed;
    else
      report.totals.resumed_bytes += static_cast<std::int64_t>(item.offset());
  }
  for (const auto& raw : want.have()) {
    const auto digest = hex_digest(raw);
    if (digest && transfers.finish(*digest)) receipted.push_back(*digest);
  }
}

void VehicleLink::Impl::on_receipt(const v1::Receipt& receipt) {
  for (const auto& item : receipt.items()) {
    const auto digest = hex_digest(item.digest());
    if (!digest) continue;
    transfers.finish(*digest);
    if (item.status() == v1::Receipt::STORED)
      receipted.push_back(*digest);
    else if (item.status() == v1::Receipt::REFUSED)
      refused.emplace_back(*digest, item.reason());
  }
}

void VehicleLink::Impl::on_problem(const v1::Problem& problem, Clock::time_point now) {
  const auto digest = hex_digest(problem.digest());
  switch (problem.code()) {
    case v1::Problem::HELLO_FIRST:
      if (report.state != State::up) return;
      lose_session(now);
      return greet(now);
    case v1::Problem::STORE_FULL:
      report.problem = "the station's disk is full; regions wait here";
      offers_after = now + kFullPause;
      break;
    case v1::Problem::REVOKED:
      lose_session(now);
      report.state = State::refused;  // greets again after a pause, in case it is admitted anew
      report.problem = "the station no longer accepts this vehicle: " + problem.text();
      return;
    default:
      break;
  }
  // Forgotten here means offered again: the station's answer then says where to begin.
  if (digest) transfers.forget(*digest);
  seen_revision = 0;
}

void VehicleLink::Impl::commit() {
  disk_is_full = false;
  commit_receipts();
  commit_labels();
  if (disk_is_full)
    report.problem = "the disk of this vehicle is full: receipts and labels wait (free some space)";
  else if (report.state == State::up && options.now() >= offers_after)
    report.problem.clear();
}

void VehicleLink::Impl::commit_receipts() {
  if (!receipted.empty()) {
    disk_is_full |= outbox.mark_receipted(receipted) == StoreOutcome::disk_full;
    if (disk_is_full) return;
    report.totals.regions_receipted += static_cast<std::int64_t>(receipted.size());
    for (const auto& digest : receipted) transfers.forget(digest);
    receipted.clear();
  }
  while (!refused.empty() && !disk_is_full) {
    const auto& [digest, reason] = refused.back();
    disk_is_full |= outbox.mark_refused(digest, reason) == StoreOutcome::disk_full;
    if (disk_is_full) return;
    ++report.totals.regions_refused;
    transfers.forget(digest);
    refused.pop_back();
  }
}

void VehicleLink::Impl::commit_labels() {
  if (arrived_labels.empty() || disk_is_full) return;
  std::vector<LabelFate> fates;
  disk_is_full |= outbox.store_labels(arrived_labels, fates) == StoreOutcome::disk_full;
  if (disk_is_full) return;
  v1::Envelope out;
  for (std::size_t i = 0; i < fates.size(); ++i) {
    const bool durable = fates[i] == LabelFate::stored || fates[i] == LabelFate::duplicate;
    report.totals.labels_stored += fates[i] == LabelFate::stored;
    report.totals.labels_repeated += fates[i] == LabelFate::duplicate;
    report.totals.labels_unknown += !durable;
    if (arrived_labels[i].request_digest.empty()) continue;
    auto& item = *out.mutable_label_receipt()->add_items();
    item.set_request_digest(raw_digest(arrived_labels[i].request_digest));
    item.set_status(durable                            ? v1::LabelReceipt::STORED
                    : fates[i] == LabelFate::malformed ? v1::LabelReceipt::MALFORMED
                                                       : v1::LabelReceipt::UNKNOWN_REQUEST);
  }
  arrived_labels.clear();
  if (out.has_label_receipt()) post(out);
}

void VehicleLink::Impl::offer_more(Clock::time_point now) {
  if (report.state != State::up || now < offers_after || disk_is_full) return;
  const std::uint64_t revision = outbox.revision();
  if (revision == seen_revision) return;
  seen_revision = revision;
  const auto fresh =
      transfers.offer(outbox.next_by_value(static_cast<std::size_t>(options.offer_window)), max_offers);
  if (fresh.empty()) return;
  v1::Envelope out;
  std::uint32_t rank = 0;
  for (const auto& item : fresh) {
    auto& offered = *out.mutable_offer()->add_items();
    offered.set_digest(raw_digest(item.digest));
    offered.set_value(item.value);
    offered.set_size(item.size_bytes);
    offered.set_rank(rank++);
  }
  if (transfers.size() == fresh.size()) last_heard = now;  // an answer is due from now on
  post(out);
}

bool VehicleLink::Impl::may_send_chunk(Clock::time_point now) {
  const std::size_t most =
      std::min<std::size_t>(static_cast<std::size_t>(options.in_flight_bytes), credit_bytes);
  const std::size_t in_flight = transfers.in_flight_bytes();
  // At least one chunk may always be under way, whatever the window.
  return report.state == State::up && (in_flight == 0 || in_flight < most) && rate_cap.may_send(now);
}

void VehicleLink::Impl::send_chunks(Clock::time_point now) {
  wants_to_write = false;
  while (flush() && may_send_chunk(now)) {
    offer_more(now);  // a better region may have come meanwhile: it is next
    Transfers::Transfer* transfer = transfers.next();
    if (!transfer || !outgoing.empty()) return;
    if (!send_chunk(*transfer)) return;
  }
}

bool VehicleLink::Impl::send_chunk(Transfers::Transfer& transfer) {
  if (transfer.payload.empty()) {
    auto payload = outbox.payload(transfer.item.digest);
    if (!payload || payload->size() != transfer.item.size_bytes) {
      transfers.forget(transfer.item.digest);  // damaged: quarantined by the outbox
      return true;
    }
    transfer.payload = std::move(*payload);
  }
  const std::size_t chunk_bytes = rate_cap.chunk_bytes(static_cast<std::size_t>(options.chunk_bytes));
  const std::string_view data = std::string_view(transfer.payload).substr(transfer.next_offset, chunk_bytes);
  v1::Envelope out;
  v1::Chunk& chunk = *out.mutable_chunk();
  chunk.set_digest(raw_digest(transfer.item.digest));
  chunk.set_offset(transfer.next_offset);
  chunk.set_data(data.data(), data.size());
  chunk.set_crc32(crc32_of(data));
  if (!send_now(pack(out))) {
    wants_to_write = true;
    return false;
  }
  transfer.next_offset += data.size();
  report.totals.region_bytes_sent += static_cast<std::int64_t>(data.size());
  if (transfer.next_offset == transfer.item.size_bytes) transfer.payload = {};
  return true;
}

void VehicleLink::Impl::post(const v1::Envelope& envelope) {
  outgoing.push_back(pack(envelope));
  flush();
}

bool VehicleLink::Impl::flush() {
  while (!outgoing.empty()) {
    if (!send_now(outgoing.front())) return false;
    outgoing.pop_front();
  }
  return true;
}

bool VehicleLink::Impl::send_now(const std::string& bytes) {
  if (!socket->send(zmq::buffer(bytes), zmq::send_flags::dontwait)) return false;
  const std::size_t on_wire = bytes.size() + kFrameOverheadBytes;
  report.totals.bytes_sent += static_cast<std::int64_t>(on_wire);
  rate_cap.spent(on_wire);
  report.progress = true;
  return true;
}

VehicleLink::VehicleLink(const VehicleLinkOptions& options, Outbox& outbox)
    : impl_(std::make_unique<Impl>(options, outbox)) {}
VehicleLink::~VehicleLink() = default;
VehicleLink::VehicleLink(VehicleLink&&) noexcept = default;
VehicleLink& VehicleLink::operator=(VehicleLink&&) noexcept = default;

LinkReport VehicleLink::step(std::chrono::milliseconds max_wait) {
  Impl& link = *impl_;
  link.report.progress = false;
  link.wait(max_wait);
  const auto now = link.options.now();
  link.follow_connection(now);
  link.receive(now);
  link.commit();
  link.check_timeouts(now);
  link.offer_more(now);
  link.send_chunks(now);
  return link.report;
}

const std::string& VehicleLink::public_key() const {
  return impl_->keys.public_z85;
}

}  // namespace driftloop::uplink
