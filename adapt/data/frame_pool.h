// Where target frames come from: the first of the two ports in which the vehicle and the benchmark differ
// (the other is who labels). No ground truth passes here.
#pragma once
#include <memory>
#include <opencv2/core/mat.hpp>
#include <string>
#include <vector>

#include "adapt/data/dataset.h"

namespace driftloop::adapt {

struct PoolFrame {
  std::string id;     // distinct
  std::string group;  // city or sequence
  cv::Size size_px;
};

class FramePool {
 public:
  virtual ~FramePool() = default;
  /// The frames there are now, in a stable order.
  virtual std::vector<PoolFrame> frames() const = 0;
  /// 8UC3 RGB; empty when the frame is gone meanwhile (evicted), an ordinary outcome.
  virtual cv::Mat image_rgb(const std::string& id) const = 0;
};

/// The images of a data set as a pool; its labels stay behind.
std::unique_ptr<FramePool> make_dataset_pool(std::shared_ptr<const Dataset> dataset);

}  // namespace driftloop::adapt
