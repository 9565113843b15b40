#include "adapt/train/target_labels.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {
const cv::Mat kNothing;
}

void TargetLabels::ask(const Region& region, Purpose purpose, cv::Size frame_px) {
  DL_CHECK((region.box_px & cv::Rect({0, 0}, frame_px)) == region.box_px, region.frame_id, region.box_px);
  const auto [place, fresh] = index_.try_emplace(key_of(region.frame_id, region.box_px), asked_.size());
  if (!fresh) return;
  asked_.push_back({region, purpose, {}});
  FrameMaps& maps = maps_[region.frame_id];
  if (maps.asked.empty()) maps.asked = cv::Mat(frame_px, CV_8UC1, cv::Scalar(0));
  maps.asked(region.box_px).setTo(1);
}

bool TargetLabels::answer(const RegionLabel& label) {
  const auto found = index_.find(key_of(label.frame_id, label.box_px));
  if (found == index_.end() || !asked_[found->second].label.empty()) return false;
  DL_CHECK(label.label.type() == CV_8UC1 && label.label.size() == label.box_px.size(), label.label.size(),
           label.box_px);
  AskedRegion& asked = asked_[found->second];
  asked.label = label.label.clone();
  const auto which = static_cast<std::size_t>(asked.purpose);
  FrameMaps& maps = maps_.at(label.frame_id);
  if (maps.labels[which].empty()) {
    maps.labels[which] = cv::Mat(maps.asked.size(), CV_8UC1, cv::Scalar(config::kIgnore));
    auto& names = frames_[which];
    names.insert(std::lower_bound(names.begin(), names.end(), label.frame_id), label.frame_id);
  }
  label.label.copyTo(maps.labels[which](label.box_px));
  pixels_[which] += cv::countNonZero(label.label != config::kIgnore);
  ++answered_;
  return true;
}

const cv::Mat& TargetLabels::asked_mask(const std::string& frame_id) const {
  const auto found = maps_.find(frame_id);
  return found == maps_.end() ? kNothing : found->second.asked;
}

const cv::Mat& TargetLabels::label(const std::string& frame_id, Purpose purpose) const {
  const auto found = maps_.find(frame_id);
  return found == maps_.end() ? kNothing : found->second.labels[static_cast<std::size_t>(purpose)];
}

Purpose TargetLabels::purpose_of(const RegionLabel& label) const {
  const auto found = index_.find(key_of(label.frame_id, label.box_px));
  return found == index_.end() ? Purpose::train : asked_[found->second].purpose;
}

void TargetLabels::save(TensorFile& file) const {
  nlohmann::json regions = nlohmann::json::array();
  std::vector<std::uint8_t> bytes;
  for (const auto& asked : asked_) {
    const auto& r = asked.region;
    const cv::Size frame = maps_.at(r.frame_id).asked.size();
    regions.push_back({r.frame_id, r.box_px.x, r.box_px.y, r.box_px.width, r.box_px.height, r.score,
                       static_cast<int>(asked.purpose), !asked.label.empty(), frame.width, frame.height});
    if (!asked.label.empty()) bytes.insert(bytes.end(), asked.label.datastart, asked.label.dataend);
  }
  file.metadata["regions"] = regions.dump();
  file.tensors["labels"] = at::tensor(bytes, at::kByte);
}

void TargetLabels::load(const TensorFile& file) {
  *this = {};
  const auto& bytes = file.tensors.at("labels");
  const auto* next = bytes.data_ptr<std::uint8_t>();
  const auto* end = next + bytes.numel();
  for (const auto& r : nlohmann::json::parse(file.metadata.at("regions"))) {
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
