#include "adapt/data/target_labels.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "adapt/acquisition/strategy.h"
#include "adapt/data/label_cutout.h"
#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr const char* kKey = "asked";              // metadata
constexpr const char* kKeyWithoutIds = "regions";  // of states before regions had ids
constexpr const char* kTensor = "labels";

}  // namespace

std::uint64_t TargetLabels::ask(const Region& region, Purpose purpose, cv::Size frame_px) {
  DL_CHECK((region.box_px & cv::Rect({0, 0}, frame_px)) == region.box_px, region.frame_id, region.box_px);
  if (const auto* known = find(region.frame_id, region.box_px)) return known->region.id;
  AskedRegion asked{region, purpose, false, 0, {}};
  asked.region.id = totals_.asked + 1;
  const bool new_frame = !by_frame_.contains(region.frame_id);
  add(std::move(asked), frame_px);
  totals_.frames += new_frame;
  return ++totals_.asked;
}

void TargetLabels::withdraw_after(std::uint64_t id) {
  while (!asked_.empty() && asked_.rbegin()->first > id) {
    const auto& last = asked_.rbegin()->second;
    DL_CHECK(!last.answered, last.region.id);
    totals_.frames -= by_frame_.at(last.region.frame_id).ids.size() == 1;
    drop(last.region.id);
  }
  totals_.asked = std::min(totals_.asked, id);
}

void TargetLabels::add(AskedRegion asked, cv::Size frame_px) {
  const std::uint64_t id = asked.region.id;
  auto& ids = by_frame_.try_emplace(asked.region.frame_id, Frame{frame_px, {}}).first->second.ids;
  ids.reserve(ids.size() + 1);
  asked_.emplace(id, std::move(asked));
  ids.insert(std::upper_bound(ids.begin(), ids.end(), id), id);
}

/// Takes a region out of everything but the totals.
void TargetLabels::drop(std::uint64_t id) {
  const auto place = asked_.find(id);
  const AskedRegion& asked = place->second;
  const auto frame = by_frame_.find(asked.region.frame_id);
  std::erase(frame->second.ids, id);
  if (asked.answered) {
    const std::size_t which = index_of(asked.purpose);
    held_pixels_[which] -= asked.label_pixels;
    const bool another = std::any_of(frame->second.ids.begin(), frame->second.ids.end(), [&](auto other) {
      const auto& region = asked_.at(other);
      return region.answered && region.purpose == asked.purpose;
    });
    if (!another) std::erase(frames_[which], asked.region.frame_id);
  }
  if (frame->second.ids.empty()) by_frame_.erase(frame);
  asked_.erase(place);
}

bool TargetLabels::answer(const RegionLabel& label) {
  const auto* known = find(label);
  if (!known || known->answered) return false;
  DL_CHECK(label.label.type() == CV_8UC1 && label.label.size() == label.box_px.size(), label.label.size(),
           label.box_px);
  AskedRegion& asked = asked_.at(known->region.id);
  auto packed = pack_label(label.label);
  const std::int64_t pixels = cv::countNonZero(label.label != config::kIgnore);
  const int clicks = clicks_of(label.label);
  auto& names = frames_[index_of(asked.purpose)];
  const auto at = std::lower_bound(names.begin(), names.end(), label.frame_id);
  if (at == names.end() || *at != label.frame_id) names.insert(at, label.frame_id);
  // From here on nothing throws.
  asked.packed_label = std::move(packed);
  asked.label_pixels = pixels;
  asked.answered = true;
  held_pixels_[index_of(asked.purpose)] += pixels;
  totals_.pixels[index_of(asked.purpose)] += pixels;
  ++totals_.answered;
  const bool whole = label.label.size() == by_frame_.at(label.frame_id).size_px;
  totals_.images += whole;
  totals_.image_pixels += whole ? pixels : 0;
  totals_.clicks += whole ? 0 : clicks;
  return true;
}

std::size_t TargetLabels::retire(const std::function<bool(const std::string&)>& gone,
                                 const std::set<std::uint64_t>& keep) {
  std::vector<std::uint64_t> ids;
  for (const auto& [frame_id, frame] : by_frame_)
    if (gone(frame_id))
      std::copy_if(frame.ids.begin(), frame.ids.end(), std::back_inserter(ids),
                   [&](std::uint64_t id) { return !keep.contains(id); });
  for (const std::uint64_t id : ids) drop(id);
  return ids.size();
}

const AskedRegion* TargetLabels::find(const std::string& frame_id, const cv::Rect& box_px) const {
  const auto frame = by_frame_.find(frame_id);
  if (frame == by_frame_.end()) return nullptr;
  for (const std::uint64_t id : frame->second.ids)
    if (const auto& asked = asked_.at(id); asked.region.box_px == box_px) return &asked;
  return nullptr;
}

const AskedRegion* TargetLabels::find(const RegionLabel& label) const {
  const auto* found = find(label.frame_id, label.box_px);
  return found && (label.id == 0 || label.id == found->region.id) ? found : nullptr;
}

cv::Mat TargetLabels::taken(const std::string& frame_id) const {
  const auto frame = by_frame_.find(frame_id);
  if (frame == by_frame_.end()) return {};
  cv::Mat map(frame->second.size_px, CV_8UC1, cv::Scalar(kOpen));
  for (const std::uint64_t id : frame->second.ids) {
    const auto& asked = asked_.at(id);
    const Taken why =
        asked.purpose == Purpose::guard ? kHeldOut : (asked.answered ? kLabelled : kOutstanding);
    map(asked.region.box_px).setTo(why);
  }
  return map;
}

cv::Mat TargetLabels::label(const std::string& frame_id, Purpose purpose) const {
  const auto frame = by_frame_.find(frame_id);
  if (frame == by_frame_.end()) return {};
  cv::Mat map;
  for (const std::uint64_t id : frame->second.ids) {
    const auto& asked = asked_.at(id);
    if (!asked.answered || asked.purpose != purpose) continue;
    if (map.empty()) map = cv::Mat(frame->second.size_px, CV_8UC1, cv::Scalar(config::kIgnore));
    label_of(asked).copyTo(map(asked.region.box_px));
  }
  return map;
}

cv::Mat TargetLabels::label_of(const AskedRegion& asked) {
  DL_CHECK(asked.answered, asked.region.id);
  return unpack_label(asked.packed_label, asked.region.box_px.size());
}

Purpose TargetLabels::purpose_of(const RegionLabel& label) const {
  const auto* asked = find(label);
  return asked ? asked->purpose : Purpose::train;
}

void TargetLabels::save(TensorFile& file) const {
  nlohmann::json frames = nlohmann::json::array();
  std::vector<std::uint8_t> bytes;
  for (const auto& [frame_id, frame] : by_frame_) {
    nlohmann::json regions = nlohmann::json::array();
    for (const std::uint64_t id : frame.ids) {
      const auto& asked = asked_.at(id);
      const auto& box = asked.region.box_px;
      nlohmann::json row = {
          id, box.x, box.y, box.width, box.height, asked.region.score, static_cast<int>(asked.purpose)};
      if (asked.answered) {
        row.push_back(asked.label_pixels);
        row.push_back(asked.packed_label.size());
        bytes.insert(bytes.end(), asked.packed_label.begin(), asked.packed_label.end());
      }
      regions.push_back(std::move(row));
    }
    frames.push_back({frame_id, frame.size_px.width, frame.size_px.height, std::move(regions)});
  }
  file.metadata[kKey] = nlohmann::json{
      {"asked", totals_.asked},
      {"frames", totals_.frames},
      {"answered", totals_.answered},
      {"pixels", totals_.pixels},
      {"clicks", totals_.clicks},
      {"images", totals_.images},
      {"image_pixels", totals_.image_pixels},
      {"regions",
       std::move(frames)}}.dump();
  file.tensors[kTensor] = at::tensor(bytes, at::kByte);
}

std::int64_t TargetLabels::stored_bytes() const {
  constexpr std::size_t kHeader = 4096, kFrame = 48, kRow = 112;  // digits and punctuation, all numbers long
  std::size_t bytes = kHeader + kRow * asked_.size();
  for (const auto& [frame_id, frame] : by_frame_) bytes += kFrame + 2 * frame_id.size();
  for (const auto& [id, asked] : asked_) bytes += asked.packed_label.size();
  return static_cast<std::int64_t>(bytes);
}

void TargetLabels::load(const TensorFile& file) {
  TargetLabels loaded;
  if (!file.metadata.contains(kKey)) {
    loaded.load_without_ids(file);
    *this = std::move(loaded);
    return;
  }
  const auto j = nlohmann::json::parse(file.metadata.at(kKey));
  const auto& tensor = file.tensors.at(kTensor);
  std::span<const std::uint8_t> bytes(tensor.const_data_ptr<std::uint8_t>(),
                                      static_cast<std::size_t>(tensor.numel()));
  for (const auto& frame : j.at("regions")) {
    const auto frame_id = frame.at(0).get<std::string>();
    for (const auto& r : frame.at(3)) {
      AskedRegion asked{{frame_id, cv::Rect(r.at(1), r.at(2), r.at(3), r.at(4)), r.at(5), r.at(0)},
                        static_cast<Purpose>(r.at(6).get<int>()),
                        r.size() > 7,
                        0,
                        {}};
      if (asked.answered) {
        const auto size = r.at(8).get<std::size_t>();
        DL_CHECK(size <= bytes.size(), frame_id, asked.region.id);
        asked.packed_label.assign(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
        bytes = bytes.subspan(size);
        asked.label_pixels = r.at(7);
        const std::size_t which = index_of(asked.purpose);
        loaded.held_pixels_[which] += asked.label_pixels;
        auto& names = loaded.frames_[which];
        if (names.empty() || names.back() != frame_id) names.push_back(frame_id);  // sorted as by_frame_ is
      }
      loaded.add(std::move(asked), {frame.at(1), frame.at(2)});
    }
  }
  loaded.totals_ = {j.at("asked"),
                    j.at("frames"),
                    j.at("answered"),
                    j.at("pixels"),
                    j.value("clicks", std::int64_t{0}),
                    j.value("images", std::int64_t{0}),
                    j.value("image_pixels", std::int64_t{0})};
  *this = std::move(loaded);
}

void TargetLabels::load_without_ids(const TensorFile& file) {
  const auto& bytes = file.tensors.at(kTensor);
  const auto* next = bytes.const_data_ptr<std::uint8_t>();
  const auto* end = next + bytes.numel();
  for (const auto& r : nlohmann::json::parse(file.metadata.at(kKeyWithoutIds))) {
    const Region region{r[0], cv::Rect(r[1], r[2], r[3], r[4]), r[5]};
    ask(region, static_cast<Purpose>(r[6].get<int>()), {r[8], r[9]});
    if (!r[7].get<bool>()) continue;
    DL_CHECK(end - next >= region.box_px.area(), region.frame_id);
    answer({region.frame_id, region.box_px,
            cv::Mat(region.box_px.size(), CV_8UC1, const_cast<std::uint8_t*>(next))});
    next += region.box_px.area();
  }
}

}  // namespace driftloop::adapt
