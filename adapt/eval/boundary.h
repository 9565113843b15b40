// Intersection over union of what lies near the borders of classes (Cheng, Girshick, Dollar, Berg and
// Kirillov, Boundary IoU, CVPR 2021): large areas say little about where a curb or a pole ends.
#pragma once
#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <span>
#include <vector>

namespace driftloop::adapt {

/// Whether a pixel is within `distance_px` (rows or columns, the larger) of another class or of the image's
/// border: 8UC1, 255 where it is. Of a map of classes, 8UC1.
cv::Mat near_border(const cv::Mat& classes, int distance_px);

class BoundaryIou {
 public:
  explicit BoundaryIou(int classes);
  /// 8UC1 maps of one size; pixels whose label is 255 count for nothing. The distance is that of the authors
  /// for Cityscapes, 0.5 % of the image's diagonal, at least a pixel.
  void add(const cv::Mat& prediction, const cv::Mat& label);
  /// 0..1; NaN for a class that neither has.
  double iou(int c) const;
  double miou(std::span<const int> class_ids) const;

 private:
  std::vector<std::int64_t> both_, either_;
};

}  // namespace driftloop::adapt
