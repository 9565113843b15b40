#include <map>

#include "adapt/data/frame_pool.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

class DatasetPool : public FramePool {
 public:
  explicit DatasetPool(std::shared_ptr<const Dataset> dataset) : dataset_(std::move(dataset)) {
    for (std::size_t i = 0; i < dataset_->size(); ++i) {
      frames_.push_back({dataset_->id(i), dataset_->group(i), dataset_->size_px(i)});
      index_[dataset_->id(i)] = i;
    }
  }
  std::vector<PoolFrame> frames() const override { return frames_; }
  cv::Mat image_rgb(const std::string& id) const override {
    const auto found = index_.find(id);
    return found == index_.end() ? cv::Mat() : dataset_->image_rgb(found->second);
  }

 private:
  std::shared_ptr<const Dataset> dataset_;
  std::vector<PoolFrame> frames_;
  std::map<std::string, std::size_t> index_;
};

}  // namespace

std::unique_ptr<FramePool> make_dataset_pool(std::shared_ptr<const Dataset> dataset) {
  return std::make_unique<DatasetPool>(std::move(dataset));
}

}  // namespace driftloop::adapt
