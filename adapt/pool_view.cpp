#include "adapt/pool_view.h"

#include "config/label_space.h"

namespace driftloop::adapt {

Prediction EnginePoolView::predict(std::size_t index, Want want) {
  cv::Mat image = pool_.image_rgb(frames_.at(index).id);
  if (image.empty()) {  // evicted meanwhile: a grey frame keeps the strategy going, and its regions are
                        // dropped afterwards
    vanished_.insert(frames_[index].id);
    image = cv::Mat(frames_[index].size_px, CV_8UC3, cv::Scalar::all(128));
  }
  return adapt::predict(teacher_, options_, device_, image, want);
}

void EnginePoolView::drop_vanished(std::vector<Region>& regions) const {
  std::erase_if(regions, [&](const Region& region) { return vanished_.contains(region.frame_id); });
}

}  // namespace driftloop::adapt
