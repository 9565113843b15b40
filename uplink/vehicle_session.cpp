#include "uplink/vehicle_session.h"

#include <algorithm>
#include <random>

#include "config/check.h"
#include "uplink/digest.h"
#include "uplink/keys.h"

namespace driftloop::uplink {
namespace {

using State = LinkReport::State;
constexpr std::size_t kSmallestChunk = 1024;
constexpr auto kRefusedPause = std::chrono::seconds(10);  // before greeting again a station that said no
constexpr auto kFullPause = std::chrono::seconds(2);      // before offering again to a station that is full

v1::LabelReceipt::Status status_of(LabelFate fate) {
  switch (fate) {
    case LabelFate::stored:
    case LabelFate::duplicate:
      return v1::LabelReceipt::STORED;
    case LabelFate::malformed:
      return v1::LabelReceipt::MALFORMED;
    case LabelFate::unknown_request:
      break;
  }
  return v1::LabelReceipt::UNKNOWN_REQUEST;
}

}  // namespace

VehicleSession::VehicleSession(const VehicleLinkOptions& options, Outbox& outbox)
    : options_(options), outbox_(outbox), chunk_bytes_(static_cast<std::size_t>(options.chunk_bytes)) {
  if (!is_vehicle_id(options.vehicle_id))
    throw Error("'" + options.vehicle_id + "' is not a vehicle id: 1 to 64 characters of [A-Za-z0-9._-]");
  down_since_ = last_heard_ = offers_after_ = options.now();
}

void VehicleSession::connected(Clock::time_point now) {
  disconnected(now);
  greet(now);
}

void VehicleSession::disconnected(Clock::time_point now) {
  if (report_.state == State::up) down_since_ = now;
  report_.state = State::connecting;
  transfers_.clear();
  outgoing_.clear();
  labels_.clear();  // not acknowledged: the station sends them again
  seen_revision_ = 0;
}

void VehicleSession::greet(Clock::time_point now) {
  std::random_device random;
  session_ = (static_cast<std::uint64_t>(random()) << 32) | random();
  v1::Envelope out;
  v1::Hello& hello = *out.mutable_hello();
  hello.set_major(kProtocolMajor);
  hello.set_minor(kProtocolMinor);
  hello.set_vehicle_id(options_.vehicle_id);
  hello.set_session(session_);
  hello.set_software("driftloop");
  report_.state = State::greeting;
  last_heard_ = now;
  post(out);
}

bool VehicleSession::is_overdue(Clock::time_point now) const {
  const bool due = report_.state == State::greeting ||
                   (report_.state == State::up && transfers_.awaits_station() && !disk_is_full_);
  return due && now - last_heard_ >= std::chrono::duration<double>(options_.reply_timeout_s);
}

void VehicleSession::take(std::string_view bytes, Clock::time_point now) {
  report_.progress = true;
  last_heard_ = now;
  v1::Envelope in;
  if (unpack(bytes, in))
    handle(in, now);
  else
    ++report_.totals.malformed;
}

void VehicleSession::handle(const v1::Envelope& in, Clock::time_point now) {
  // What the station says about durable things holds for ever; the rest only within its session.
  if (in.has_hello_reply()) return on_hello_reply(in.hello_reply(), now);
  if (in.has_receipt()) return on_receipt(in.receipt());
  if (in.has_problem()) return on_problem(in.problem(), now);
  if (report_.state != State::up) return;
  if (in.has_label()) {
    labels_.push_back({hex_digest(in.label().request_digest()).value_or(""), in.label().answer()});
    return;
  }
  if (in.has_want()) return on_want(in.want());
  if (in.has_progress()) {
    const auto digest = hex_digest(in.progress().digest());
    if (!digest || !transfers_.confirm(*digest, in.progress().confirmed())) ++report_.totals.malformed;
    return;
  }
  ++report_.totals.malformed;
}

void VehicleSession::refused_for(const std::string& problem) {
  report_.state = State::refused;
  report_.problem = problem;
}

void VehicleSession::on_hello_reply(const v1::HelloReply& reply, Clock::time_point now) {
  if (reply.session() != session_ || report_.state == State::up) return;
  const std::string station = "the station at " + options_.station_endpoint;
  if (!reply.accepted()) return refused_for(station + " refuses this vehicle: " + reply.reason());
  if (reply.major() != kProtocolMajor)
    return refused_for(station + " speaks protocol " + std::to_string(reply.major()) + ", this vehicle " +
                       std::to_string(kProtocolMajor) + ": update the older one");
  report_.state = State::up;
  report_.problem.clear();
  ++report_.totals.connections;
  credit_bytes_ = static_cast<std::size_t>(reply.credit_bytes());
  max_offers_ = std::min<std::size_t>(reply.max_offers(), kMaxOffers);
  chunk_bytes_ = static_cast<std::size_t>(options_.chunk_bytes);
  if (reply.max_chunk_bytes() >= kSmallestChunk)
    chunk_bytes_ = std::min<std::size_t>(chunk_bytes_, reply.max_chunk_bytes());
  offers_after_ = now;
}

void VehicleSession::on_want(const v1::Want& want) {
  if (want.credit_bytes() > 0) credit_bytes_ = static_cast<std::size_t>(want.credit_bytes());
  for (const auto& item : want.items()) {
    const auto digest = hex_digest(item.digest());
    if (!digest || !transfers_.want(*digest, item.offset()))
      ++report_.totals.malformed;
    else
      report_.totals.resumed_bytes += static_cast<std::int64_t>(item.offset());
  }
  for (const auto& raw : want.have()) {
    const auto digest = hex_digest(raw);
    if (digest && transfers_.finish(*digest)) receipted_.push_back(*digest);
  }
}

void VehicleSession::on_receipt(const v1::Receipt& receipt) {
  for (const auto& item : receipt.items()) {
    const auto digest = hex_digest(item.digest());
    if (!digest) continue;
    transfers_.finish(*digest);
    if (item.status() == v1::Receipt::STORED)
      receipted_.push_back(*digest);
    else if (item.status() == v1::Receipt::REFUSED)
      refused_.emplace_back(*digest, item.reason());
  }
}

void VehicleSession::on_problem(const v1::Problem& problem, Clock::time_point now) {
  switch (problem.code()) {
    case v1::Problem::HELLO_FIRST:
      if (report_.state == State::up) connected(now);
      return;
    case v1::Problem::REVOKED:
      disconnected(now);  // greets again after a pause, in case it is admitted anew
      return refused_for("the station no longer accepts this vehicle: " + problem.text());
    case v1::Problem::STORE_FULL:
      report_.problem = "the station's disk is full; regions wait here";
      offers_after_ = now + kFullPause;
      break;
    default:
      break;
  }
  // Forgotten here means offered again: the station's answer then says where to begin.
  if (const auto digest = hex_digest(problem.digest())) transfers_.forget(*digest);
  seen_revision_ = 0;
}

void VehicleSession::commit(Clock::time_point now) {
  disk_is_full_ = commit_receipts() == StoreOutcome::disk_full || commit_labels() == StoreOutcome::disk_full;
  if (disk_is_full_) {
    report_.problem = "the disk of this vehicle is full: receipts and labels wait (free some space)";
    last_heard_ = now;  // nothing is taken meanwhile: the silence is ours
  } else if (report_.state == State::up && now >= offers_after_) {
    report_.problem.clear();
  }
}

StoreOutcome VehicleSession::commit_receipts() {
  if (!receipted_.empty()) {
    if (outbox_.mark_receipted(receipted_) == StoreOutcome::disk_full) return StoreOutcome::disk_full;
    report_.totals.regions_receipted += static_cast<std::int64_t>(receipted_.size());
    for (const auto& digest : receipted_) transfers_.forget(digest);
    receipted_.clear();
  }
  for (; !refused_.empty(); refused_.pop_back()) {
    const auto& [digest, reason] = refused_.back();
    if (outbox_.mark_refused(digest, reason) == StoreOutcome::disk_full) return StoreOutcome::disk_full;
    ++report_.totals.regions_refused;
    transfers_.forget(digest);
  }
  return StoreOutcome::done;
}

StoreOutcome VehicleSession::commit_labels() {
  if (labels_.empty()) return StoreOutcome::done;
  std::vector<LabelFate> fates;
  if (outbox_.store_labels(labels_, fates) == StoreOutcome::disk_full) return StoreOutcome::disk_full;
  v1::Envelope out;
  for (std::size_t i = 0; i < fates.size(); ++i) {
    const auto status = status_of(fates[i]);
    report_.totals.labels_stored += fates[i] == LabelFate::stored;
    report_.totals.labels_repeated += fates[i] == LabelFate::duplicate;
    report_.totals.labels_unknown += status != v1::LabelReceipt::STORED;
    if (labels_[i].request_digest.empty()) continue;
    auto& item = *out.mutable_label_receipt()->add_items();
    item.set_request_digest(raw_digest(labels_[i].request_digest));
    item.set_status(status);
  }
  labels_.clear();
  if (out.has_label_receipt()) post(out);
  return StoreOutcome::done;
}

void VehicleSession::speak(Clock::time_point now) {
  if (report_.state == State::refused && now - last_heard_ >= kRefusedPause) greet(now);
  if (report_.state != State::up || now < offers_after_ || disk_is_full_) return;
  const std::uint64_t revision = outbox_.revision();
  if (revision == seen_revision_) return;
  seen_revision_ = revision;
  const auto fresh =
      transfers_.offer(outbox_.next_by_value(static_cast<std::size_t>(options_.offer_window)), max_offers_);
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
  if (transfers_.size() == fresh.size()) last_heard_ = now;  // an answer is due from now on
  post(out);
}

bool VehicleSession::has_chunk() {
  const auto most = std::min(static_cast<std::size_t>(options_.in_flight_bytes), credit_bytes_);
  const std::size_t in_flight = transfers_.in_flight_bytes();
  // At least one chunk may always be under way, whatever the window.
  return report_.state == State::up && (in_flight == 0 || in_flight < most) && transfers_.next();
}

std::optional<VehicleSession::OutgoingChunk> VehicleSession::next_chunk(std::size_t most_bytes) {
  while (has_chunk()) {
    Transfers::Transfer& transfer = *transfers_.next();
    const std::string digest = transfer.item.digest;
    if (transfer.payload.empty()) transfer.payload = outbox_.payload(digest).value_or("");
    if (transfer.payload.size() != transfer.item.size_bytes) {
      transfers_.forget(digest);  // damaged: quarantined by the outbox
      continue;
    }
    const auto data = std::string_view(transfer.payload).substr(transfer.next_offset, most_bytes);
    v1::Envelope out;
    v1::Chunk& chunk = *out.mutable_chunk();
    chunk.set_digest(raw_digest(digest));
    chunk.set_offset(transfer.next_offset);
    chunk.set_data(data.data(), data.size());
    chunk.set_crc32(crc32_of(data));
    return OutgoingChunk{pack(out), digest, data.size()};
  }
  return std::nullopt;
}

void VehicleSession::sent(const OutgoingChunk& chunk) {
  transfers_.advance(chunk.digest, chunk.data_bytes);
  report_.totals.region_bytes_sent += static_cast<std::int64_t>(chunk.data_bytes);
}

}  // namespace driftloop::uplink
