#include "adapt/pool_view.h"

#include <utility>

namespace driftloop::adapt {

EnginePoolView::EnginePoolView(const PlacedNet& teacher, const FramePool& pool, const TargetLabels& labels,
                               std::vector<PoolFrame> frames)
    : teacher_(teacher), pool_(pool), labels_(labels), frames_(std::move(frames)) {
  note_gone();
}

std::optional<Prediction> EnginePoolView::predict(std::size_t index, Want want) {
  const auto& id = frames_.at(index).id;
  const cv::Mat image = pool_.image_rgb(id);
  if (image.empty()) {  // evicted meanwhile
    gone_.insert(id);
    return std::nullopt;
  }
  return teacher_.predict(image, want);
}

cv::Mat EnginePoolView::taken(std::size_t index) const {
  const auto& frame = frames_.at(index);
  const cv::Mat before = labels_.taken(frame.id);
  const auto found = marked_.find(frame.id);
  if (found == marked_.end()) return before;
  cv::Mat both = before.empty() ? cv::Mat::zeros(frame.size_px, CV_8UC1) : before.clone();
  for (const auto& box : found->second) both(box).setTo(kHeldOut);
  return both;
}

std::int64_t EnginePoolView::asked_px(std::size_t index) const {
  const auto found = marked_.find(frames_.at(index).id);
  std::int64_t pixels = 0;
  if (found != marked_.end())
    for (const auto& box : found->second) pixels += static_cast<std::int64_t>(box.width) * box.height;
  return pixels;
}

void EnginePoolView::mark(const std::vector<Region>& regions) {
  for (const auto& region : regions) marked_[region.frame_id].push_back(region.box_px);
}

void EnginePoolView::note_gone() {
  std::set<std::string> there;
  for (const auto& frame : pool_.frames()) there.insert(frame.id);
  for (const auto& frame : frames_)
    if (!there.contains(frame.id)) gone_.insert(frame.id);
}

}  // namespace driftloop::adapt
