#include "uplink/region_intake.h"

#include "config/check.h"
#include "uplink/digest.h"

namespace driftloop::uplink {
namespace {

// One step ends with one commit: this bounds both its memory and the wait for its receipts.
constexpr std::size_t kMaxArrivedBytesPerStep = 8u << 20;
constexpr std::size_t kMaxEventsPerStep = 64;

bool is_sound(const v1::Chunk& chunk) {
  return !chunk.data().empty() && chunk.data().size() <= kMaxChunkBytes &&
         crc32_of(chunk.data()) == chunk.crc32();
}

}  // namespace

void note(StationReport& report, StationEvent::Kind kind, const std::string& vehicle_id, std::string text) {
  if (report.events.size() < kMaxEventsPerStep) report.events.push_back({kind, vehicle_id, std::move(text)});
}

v1::Envelope problem_message(v1::Problem::Code code, const std::string& digest, const std::string& text) {
  v1::Envelope out;
  out.mutable_problem()->set_code(code);
  if (!digest.empty()) out.mutable_problem()->set_digest(raw_digest(digest));
  out.mutable_problem()->set_text(text);
  return out;
}

RegionIntake::RegionIntake(const StationLinkOptions& options, StationHandler& handler, StationReport& report)
    : credit_bytes_(static_cast<std::uint64_t>(options.credit_bytes)),
      handler_(handler),
      report_(report),
      partials_({static_cast<std::size_t>(options.vehicle_buffer_bytes),
                 static_cast<std::size_t>(options.total_buffer_bytes)}) {}

RegionIntake::Messages RegionIntake::on_offer(const std::string& vehicle_id, Offers& offers,
                                              const v1::Offer& offer) {
  Messages messages;
  std::vector<std::string> digests;
  std::vector<std::size_t> sizes;
  for (const auto& item : offer.items()) {
    const auto digest = hex_digest(item.digest());
    if (digest && item.size() > 0 && item.size() <= kMaxRegionBytes) {
      digests.push_back(*digest);
      sizes.push_back(static_cast<std::size_t>(item.size()));
      continue;
    }
    ++report_.totals.malformed;
    if (digest)
      messages.push_back(problem_message(v1::Problem::TOO_LARGE, *digest, "a region takes 1 byte to 4 MiB"));
  }
  const std::vector<bool> known = handler_.known(vehicle_id, digests);
  v1::Envelope out;
  v1::Want& want = *out.mutable_want();
  want.set_credit_bytes(credit_bytes_);
  for (std::size_t i = 0; i < digests.size(); ++i) {
    if (known[i]) {
      want.add_have(raw_digest(digests[i]));
    } else if (offers.size() >= kMaxOffers && !offers.count(digests[i])) {
      messages.push_back(
          problem_message(v1::Problem::NOT_OFFERED, digests[i], "more on offer than was agreed"));
    } else {
      offers[digests[i]] = sizes[i];
      auto& item = *want.add_items();
      item.set_digest(raw_digest(digests[i]));
      item.set_offset(partials_.held(vehicle_id, digests[i]));
    }
  }
  messages.push_back(std::move(out));
  return messages;
}

RegionIntake::Messages RegionIntake::on_chunk(const std::string& vehicle_id, Offers& offers,
                                              const v1::Chunk& chunk) {
  const auto digest = hex_digest(chunk.digest());
  if (!digest) {
    ++report_.totals.malformed;
    return {};
  }
  const auto offered = offers.find(*digest);
  if (offered == offers.end()) return {problem_message(v1::Problem::NOT_OFFERED, *digest, "offer it first")};
  Partials::Taken taken{partials_.held(vehicle_id, *digest), true, {}};
  if (is_sound(chunk))
    taken = partials_.take(vehicle_id, *digest, {chunk.offset(), chunk.data(), offered->second});
  if (taken.whole) {
    offers.erase(offered);
    return on_whole(vehicle_id, *digest, std::move(*taken.whole));
  }
  v1::Envelope out;
  if (taken.gap) {
    ++report_.totals.malformed;
    auto& item = *out.mutable_want()->add_items();
    item.set_digest(chunk.digest());
    item.set_offset(taken.held);
  } else {
    out.mutable_progress()->set_digest(chunk.digest());
    out.mutable_progress()->set_confirmed(taken.held);
  }
  return {out};
}

RegionIntake::Messages RegionIntake::on_whole(const std::string& vehicle_id, const std::string& digest,
                                              std::string bytes) {
  if (digest_of(bytes) != digest) {
    note(report_, StationEvent::Kind::misbehaved, vehicle_id,
         "vehicle " + vehicle_id + " sent bytes that do not match their digest " + digest);
    return {problem_message(v1::Problem::DIGEST_MISMATCH, digest, "the bytes do not match the digest")};
  }
  arrived_bytes_ += bytes.size();
  arrived_.push_back({vehicle_id, digest, std::move(bytes)});
  return {};
}

bool RegionIntake::is_full() const {
  return arrived_bytes_ >= kMaxArrivedBytesPerStep;
}

std::map<std::string, RegionIntake::Messages> RegionIntake::commit() {
  std::map<std::string, Messages> messages;
  if (arrived_.empty()) return messages;
  const auto verdicts = handler_.commit(arrived_);
  DL_CHECK(verdicts.size() == arrived_.size(), verdicts.size(), arrived_.size());
  std::map<std::string, v1::Envelope> receipts;  // by vehicle
  for (std::size_t i = 0; i < arrived_.size(); ++i) {
    const auto& [vehicle_id, digest, payload] = arrived_[i];
    if (verdicts[i].kind != RegionVerdict::Kind::later) {
      answer(arrived_[i], verdicts[i], *receipts[vehicle_id].mutable_receipt());
      continue;
    }
    note(report_, StationEvent::Kind::store_full, vehicle_id,
         "the station's disk is full: regions of " + vehicle_id + " wait on the vehicle");
    messages[vehicle_id].push_back(
        problem_message(v1::Problem::STORE_FULL, digest, "the station's disk is full"));
  }
  for (auto& [vehicle_id, receipt] : receipts) messages[vehicle_id].push_back(std::move(receipt));
  arrived_.clear();
  arrived_bytes_ = 0;
  return messages;
}

void RegionIntake::answer(const ArrivedRegion& region, const RegionVerdict& verdict, v1::Receipt& receipt) {
  auto& item = *receipt.add_items();
  item.set_digest(raw_digest(region.digest));
  if (verdict.kind == RegionVerdict::Kind::stored) {
    item.set_status(v1::Receipt::STORED);
    ++report_.totals.regions_stored;
    return;
  }
  item.set_status(v1::Receipt::REFUSED);
  item.set_reason(verdict.reason);
  ++report_.totals.regions_refused;
  note(report_, StationEvent::Kind::misbehaved, region.vehicle_id,
       "a region of " + region.vehicle_id + " was refused: " + verdict.reason);
}

}  // namespace driftloop::uplink
