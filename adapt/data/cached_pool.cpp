#include <set>

#include "adapt/data/frame_pool.h"

namespace driftloop::adapt {
namespace {

std::size_t bytes_of(const cv::Mat& image) {
  return image.total() * image.elemSize();
}

}  // namespace

void CachedPool::drop(Place kept) const {
  kept_bytes_ -= bytes_of(kept->image);
  place_.erase(kept->id);
  kept_.erase(kept);
}

std::vector<PoolFrame> CachedPool::frames() const {
  auto frames = inner_.frames();
  std::set<std::string> there;
  for (const auto& frame : frames) there.insert(frame.id);
  const std::scoped_lock lock(mutex_);
  for (auto kept = kept_.begin(); kept != kept_.end();) {
    const auto one = kept++;
    if (!there.contains(one->id)) drop(one);
  }
  return frames;
}

cv::Mat CachedPool::image_rgb(const std::string& id) const {
  {
    const std::scoped_lock lock(mutex_);
    if (const auto found = place_.find(id); found != place_.end()) {
      kept_.splice(kept_.begin(), kept_, found->second);
      return found->second->image;
    }
  }
  cv::Mat image = inner_.image_rgb(id);
  const std::size_t bytes = bytes_of(image);
  const std::scoped_lock lock(mutex_);
  if (image.empty() || bytes > cache_bytes_ || place_.contains(id)) return image;
  while (kept_bytes_ + bytes > cache_bytes_) drop(std::prev(kept_.end()));
  kept_.push_front({id, image});
  place_[id] = kept_.begin();
  kept_bytes_ += bytes;
  return image;
}

}  // namespace driftloop::adapt
