#include "adapt/eval/boundary.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {

cv::Mat near_border(const cv::Mat& classes, int distance_px) {
  DL_CHECK(classes.type() == CV_8UC1 && distance_px > 0, classes.type(), distance_px);
  constexpr int kOutside = 254;  // no class
  cv::Mat framed, least, most;
  cv::copyMakeBorder(classes, framed, 1, 1, 1, 1, cv::BORDER_CONSTANT, cv::Scalar(kOutside));
  const cv::Mat square = cv::Mat::ones(2 * distance_px + 1, 2 * distance_px + 1, CV_8UC1);
  cv::erode(framed, least, square);  // OpenCV leaves out what lies beyond
  cv::dilate(framed, most, square);
  const cv::Rect inner(1, 1, classes.cols, classes.rows);
  return least(inner) != most(inner);
}

BoundaryIou::BoundaryIou(int classes)
    : both_(static_cast<std::size_t>(classes), 0), either_(both_.size(), 0) {}

void BoundaryIou::add(const cv::Mat& prediction, const cv::Mat& label) {
  DL_CHECK(prediction.size() == label.size() && prediction.type() == CV_8UC1 && label.type() == CV_8UC1,
           prediction.size(), label.size());
  constexpr double kShare = 0.005;
  const int distance =
      std::max(1, static_cast<int>(std::lround(kShare * std::hypot(label.cols, label.rows))));
  cv::Mat seen = prediction.clone();
  seen.setTo(config::kIgnore, label == config::kIgnore);
  const cv::Mat near_seen = near_border(seen, distance), near_label = near_border(label, distance);
  for (int y = 0; y < label.rows; ++y)
    for (int x = 0; x < label.cols; ++x) {
      const std::size_t truth = label.at<std::uint8_t>(y, x), guess = seen.at<std::uint8_t>(y, x);
      if (truth == config::kIgnore) continue;
      DL_CHECK(truth < both_.size() && guess < both_.size(), truth, guess);
      const bool at_truth = near_label.at<std::uint8_t>(y, x) != 0,
                 at_guess = near_seen.at<std::uint8_t>(y, x) != 0;
      if (truth == guess) {
        both_[truth] += at_truth && at_guess ? 1 : 0;
        either_[truth] += at_truth || at_guess ? 1 : 0;
      } else {
        either_[truth] += at_truth ? 1 : 0;
        either_[guess] += at_guess ? 1 : 0;
      }
    }
}

double BoundaryIou::iou(int c) const {
  const auto at = static_cast<std::size_t>(c);
  if (either_.at(at) == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(both_[at]) / static_cast<double>(either_[at]);
}

double BoundaryIou::miou(std::span<const int> class_ids) const {
  double sum = 0;
  int present = 0;
  for (const int c : class_ids)
    if (const double value = iou(c); !std::isnan(value)) sum += value, ++present;
  return present == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / present;
}

}  // namespace driftloop::adapt
