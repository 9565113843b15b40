// Expected calibration error: how far a net's confidence is from how often it is right (Guo et al., ICML
// 2017), over pixels, in 15 bins of equal width.
#pragma once
#include <array>
#include <cstdint>
#include <opencv2/core/mat.hpp>

namespace driftloop::adapt {

class Calibration {
 public:
  /// `confidence` 32FC1, the probability of the predicted class; 8UC1 maps of the same size. Pixels whose
  /// label is 255 count for nothing.
  void add(const cv::Mat& confidence, const cv::Mat& prediction, const cv::Mat& label);
  /// 0..1: the mean over pixels of |confidence - share that is right| of their bin; NaN without any.
  double error() const;

 private:
  static constexpr int kBins = 15;
  struct Bin {
    std::int64_t pixels = 0, right = 0;
    double confidence = 0;
  };
  std::array<Bin, kBins> bins_{};
};

}  // namespace driftloop::adapt
