#include "adapt/eval/calibration.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <opencv2/core.hpp>

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {

void Calibration::add(const cv::Mat& confidence, const cv::Mat& prediction, const cv::Mat& label) {
  DL_CHECK(
      confidence.type() == CV_32FC1 && confidence.size() == label.size() && prediction.size() == label.size(),
      confidence.size(), prediction.size(), label.size());
  for (int y = 0; y < label.rows; ++y)
    for (int x = 0; x < label.cols; ++x) {
      const std::uint8_t truth = label.at<std::uint8_t>(y, x);
      if (truth == config::kIgnore) continue;
      const float sure = confidence.at<float>(y, x);
      Bin& bin = bins_[static_cast<std::size_t>(std::clamp(static_cast<int>(sure * kBins), 0, kBins - 1))];
      ++bin.pixels;
      bin.confidence += static_cast<double>(sure);
      bin.right += prediction.at<std::uint8_t>(y, x) == truth ? 1 : 0;
    }
}

double Calibration::error() const {
  double sum = 0;
  std::int64_t pixels = 0;
  for (const Bin& bin : bins_) {
    sum += std::abs(bin.confidence - static_cast<double>(bin.right));
    pixels += bin.pixels;
  }
  return pixels == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(pixels);
}

}  // namespace driftloop::adapt
