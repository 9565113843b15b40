#include "daemon/live/region_desk.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "daemon/live/store_pool.h"

namespace driftloop::daemon {

RegionDesk::RegionDesk(DeskParts parts, Place& place) : parts_(std::move(parts)), place_(place) {}

CodecOptions RegionDesk::codec() const {
  const auto pace = parts_.pace.get();
  return {parts_.options.vehicle_id, place_.strategy,  parts_.options.engine.label_space,
          pace.context_px,           pace.crop_format, pace.crop_quality};
}

bool RegionDesk::code(std::span<const std::uint64_t> ids) {
  const CodecOptions codec = this->codec();
  std::map<std::string, std::vector<adapt::Region>> by_frame;  // one look of the live model at each frame
  for (const std::uint64_t id : ids)
    if (auto region = parts_.asked_id(id)) by_frame[region->frame_id].push_back(std::move(*region));
  std::map<std::uint64_t, uplink::OutboundItem> coded;  // in the order they were asked
  for (const auto& [frame_id, regions] : by_frame) {
    const auto stored = parts_.store.find(frame_id);
    SeenFrame frame{
        stored.value_or(capture::StoredFrame{}), stored ? parts_.pool.image_rgb(frame_id) : cv::Mat(), {}};
    if (frame.image_rgb.empty()) continue;
    const auto seen = parts_.look(frame.image_rgb);
    if (!seen) return false;
    frame.prediction = *seen;
    for (const auto& region : regions) {
      const auto request = encode_region(frame, region, place_.round, codec);
      const std::string problem = uplink::problem_of(request);
      if (problem.empty())
        coded[region.id] = uplink::outbound(request, request.score);
      else
        spdlog::warn("a region of frame {} cannot be sent: {}", frame.stored.name, problem);
    }
  }
  items_.clear();
  for (auto& [id, item] : coded) {
    ++place_.coded_regions;
    place_.coded_bytes += static_cast<std::int64_t>(item.payload.size());
    place_.pending.push_back({item.digest, id, place_.round, parts_.clock_s()});
    items_.push_back(std::move(item));
  }
  place_.asked_this_round = static_cast<std::int64_t>(items_.size());
  if (items_.size() < ids.size())
    spdlog::warn("{} of {} chosen regions were dropped: their frames are gone", ids.size() - items_.size(),
                 ids.size());
  return true;
}

std::vector<std::uint64_t> RegionDesk::ids_of_this_round() const {
  std::vector<std::uint64_t> ids;
  for (const auto& region : place_.pending)
    if (region.round == place_.round) ids.push_back(region.id);
  return ids;
}

bool RegionDesk::is_queued() {
  return std::any_of(place_.pending.begin(), place_.pending.end(), [&](const PendingRegion& region) {
    return region.round == place_.round && parts_.outbox.request(region.digest).has_value();
  });
}

bool RegionDesk::must_code_again() {
  return items_.empty() && !ids_of_this_round().empty() && !is_queued();
}

bool RegionDesk::code_again() {
  const auto ids = ids_of_this_round();
  const auto before = place_.pending;
  std::erase_if(place_.pending, [&](const PendingRegion& region) { return region.round == place_.round; });
  if (code(ids)) return true;
  place_.pending = before;
  return false;
}

uplink::StoreOutcome RegionDesk::queue() {
  if (!items_.empty() && !is_queued()) {
    if (const auto outcome = parts_.outbox.add(items_); outcome != uplink::StoreOutcome::done) return outcome;
    spdlog::info("round {}: {} regions queued", place_.round, items_.size());
  }
  items_.clear();
  return uplink::StoreOutcome::done;
}

std::vector<adapt::RegionLabel> RegionDesk::take_labels() {
  std::unordered_multimap<std::string, std::uint64_t> ids_of;
  for (const auto& region : place_.pending) ids_of.emplace(region.digest, region.id);
  std::vector<adapt::RegionLabel> labels;
  std::int64_t refused = 0, unusable = 0;
  for (auto rows = parts_.outbox.labels_after(place_.merged_row); !rows.empty();
       rows = parts_.outbox.labels_after(place_.merged_row)) {
    for (const auto& row : rows) {
      place_.merged_row = row.row_id;
      const auto& reply = row.reply;
      const auto [first, last] = ids_of.equal_range(reply.request_digest);
      for (auto it = first; it != last; ++it) {
        const auto region = parts_.asked_id(it->second);
        if (!region) continue;  // retired meanwhile
        if (reply.outcome == uplink::LabelReply::Outcome::refused) {
          if (++refused == 1)
            spdlog::warn("the lab refused a region of {}: {}", row.request.frame_name, reply.reason);
          continue;
        }
        auto mask = decode_mask(reply, region->box_px, parts_.options.engine.label_space);
        if (mask)
          labels.push_back({region->frame_id, region->box_px, std::move(*mask.value), region->id});
        else if (++unusable == 1)
          spdlog::error("a label of {} cannot be used: {}", row.request.frame_name, mask.problem);
      }
      ids_of.erase(first, last);
    }
  }
  std::set<std::string> open;
  for (const auto& [digest, id] : ids_of) open.insert(digest);
  const std::size_t unanswered = open.size();
  close_unanswerable(open);
  std::erase_if(place_.pending, [&](const PendingRegion& region) { return !open.contains(region.digest); });
  if (open.size() < unanswered)
    spdlog::warn("{} regions can have no label: refused by the station or damaged here",
                 unanswered - open.size());
  if (refused + unusable > 0)
    spdlog::warn("{} regions refused by the lab, {} labels unusable", refused, unusable);
  return labels;
}

std::int64_t RegionDesk::late_answers() {
  if (place_.pending.empty()) return 0;
  const std::uint64_t revision = parts_.outbox.revision();
  if (revision != late_revision_ || late_after_row_ != place_.merged_row) {
    late_revision_ = revision;
    late_after_row_ = place_.merged_row;
    late_answers_ = static_cast<std::int64_t>(parts_.outbox.labels_after(place_.merged_row).size());
  }
  return late_answers_;
}

double RegionDesk::bytes_per_region() const {
  if (place_.coded_regions == 0) return expected_bytes(parts_.options.engine.acquisition.region_px, codec());
  return static_cast<double>(place_.coded_bytes) / static_cast<double>(place_.coded_regions);
}

std::int64_t RegionDesk::open() const {
  return std::count_if(place_.pending.begin(), place_.pending.end(),
                       [&](const PendingRegion& region) { return !given_up(region); });
}

bool RegionDesk::given_up(const PendingRegion& region) const {
  const auto days = parts_.pace.get().give_up_after_days;
  return days && parts_.clock_s() - region.asked_s > *days * 86'400;
}

std::set<std::uint64_t> RegionDesk::waited_for() const {
  std::set<std::uint64_t> ids;
  for (const auto& region : place_.pending)
    if (!given_up(region)) ids.insert(region.id);
  return ids;
}

void RegionDesk::forget_retired() {
  std::erase_if(place_.pending,
                [&](const PendingRegion& region) { return !parts_.asked_id(region.id).has_value(); });
}

void RegionDesk::mark_frames() {
  std::map<std::string, FrameUse> use;
  for (const auto& region : parts_.asked()) use[region.frame_id].asked = true;
  for (const auto& pending : place_.pending)
    if (const auto region = given_up(pending) ? std::nullopt : parts_.asked_id(pending.id))
      ++use[region->frame_id].unanswered;
  daemon::mark_frames(parts_.store, use);
}

/// Takes out those for which no label will come: the station will never take them, or they were damaged here.
void RegionDesk::close_unanswerable(std::set<std::string>& open) {
  const std::vector<std::string> digests(open.begin(), open.end());
  for (const auto& digest : parts_.outbox.unanswerable(digests)) open.erase(digest);
}

AnswerWatch::AnswerWatch(RegionDesk& desk) : desk_(desk), seen_row_(desk.place_.merged_row) {
  for (const auto& region : desk.place_.pending) {
    open_of_all_.insert(region.digest);
    if (region.round == desk.place_.round) open_.insert(region.digest);
  }
}

void AnswerWatch::look() {
  auto& outbox = desk_.parts_.outbox;
  for (const auto& label : outbox.labels_after(seen_row_)) {
    seen_row_ = label.row_id;
    open_.erase(label.reply.request_digest);
    open_of_all_.erase(label.reply.request_digest);
    any_label_ = any_label_ || label.reply.outcome == uplink::LabelReply::Outcome::labelled;
  }
  if (const auto revision = outbox.revision(); revision != looked_at_) {
    looked_at_ = revision;
    desk_.close_unanswerable(open_);
    desk_.close_unanswerable(open_of_all_);
  }
}

std::int64_t AnswerWatch::closed() const {
  return desk_.place_.asked_this_round - static_cast<std::int64_t>(open_.size());
}

}  // namespace driftloop::daemon
