#include "adapt/eval/guard.h"

#include <cmath>
#include <map>
#include <opencv2/core.hpp>

namespace driftloop::adapt {
namespace {

constexpr double kErrorsOfAClass = 2;  // many classes are looked at: one standard error is passed by chance

/// Regions of one frame of the guard.
using Regions = std::vector<const AskedRegion*>;

std::map<std::string, Regions> guard_regions(const TargetLabels& labels,
                                             const std::optional<std::int64_t>& max_regions) {
  Regions guard;  // as they were asked, the oldest first
  for (const auto& [region_id, asked] : labels.asked())
    if (asked.purpose == Purpose::guard && asked.label_pixels > 0) guard.push_back(&asked);
  if (max_regions && std::ssize(guard) > *max_regions) guard.erase(guard.begin(), guard.end() - *max_regions);
  std::map<std::string, Regions> by_frame;
  for (const AskedRegion* asked : guard) by_frame[asked->region.frame_id].push_back(asked);
  return by_frame;
}

void count(GuardFrame& frame, const cv::Mat& label, const cv::Mat& by_live, const cv::Mat& by_candidate) {
  for (int y = 0; y < label.rows; ++y) {
    const auto *truth = label.ptr<std::uint8_t>(y), *live = by_live.ptr<std::uint8_t>(y),
               *candidate = by_candidate.ptr<std::uint8_t>(y);
    for (int x = 0; x < label.cols; ++x) {
      if (truth[x] >= config::kClasses) continue;
      ++frame.labelled[truth[x]];
      frame.live[truth[x]] += live[x] == truth[x];
      frame.candidate[truth[x]] += candidate[x] == truth[x];
    }
  }
}

/// Sums over frames of what each gains, and the standard error of the sum.
class PairedGain {
 public:
  void add(double gain) {
    sum_ += gain;
    squares_ += gain * gain;
    ++frames_;
  }
  double sum() const { return sum_; }
  double standard_error() const {
    if (frames_ < 2) return 0;
    const auto n = static_cast<double>(frames_);
    return std::sqrt(std::max(0.0, squares_ - sum_ * sum_ / n) * n / (n - 1));
  }

 private:
  double sum_ = 0, squares_ = 0;
  int frames_ = 0;
};

/// How much of the score one right pixel of each class is: the scores are the weighted sums.
std::array<double, config::kClasses> pixel_weights(const GuardFrame& all, std::int64_t min_class_pixels) {
  std::array<double, config::kClasses> weight{};
  std::int64_t pixels = 0;
  int counted = 0;
  for (const auto labelled : all.labelled) {
    pixels += labelled;
    counted += labelled >= min_class_pixels;
  }
  for (std::size_t c = 0; c < weight.size(); ++c) {
    if (counted == 0)
      weight[c] = pixels > 0 ? 1.0 / static_cast<double>(pixels) : 0;
    else if (all.labelled[c] >= min_class_pixels)
      weight[c] = 1.0 / (counted * static_cast<double>(all.labelled[c]));
  }
  return weight;
}

}  // namespace

std::vector<GuardFrame> guard_frames(const PlacedNet& live, const PlacedNet& candidate, const FramePool& pool,
                                     const TargetLabels& labels,
                                     const std::optional<std::int64_t>& max_regions) {
  std::vector<GuardFrame> frames;
  for (const auto& [id, regions] : guard_regions(labels, max_regions)) {
    const cv::Mat image = pool.image_rgb(id);
    if (image.empty()) continue;
    const cv::Mat by_live = live.label(image), by_candidate = candidate.label(image);
    GuardFrame frame;
    for (const AskedRegion* asked : regions) {
      const cv::Rect& box = asked->region.box_px;
      count(frame, TargetLabels::label_of(*asked), by_live(box), by_candidate(box));
    }
    frames.push_back(frame);
  }
  return frames;
}

GuardComparison compare(const std::vector<GuardFrame>& frames, const GuardOptions& options) {
  GuardFrame all;
  for (const auto& frame : frames)
    for (std::size_t c = 0; c < all.labelled.size(); ++c) all.labelled[c] += frame.labelled[c];
  const auto weight = pixel_weights(all, options.min_class_pixels);
  GuardComparison result;
  PairedGain gain;
  std::array<PairedGain, config::kClasses> class_gain;
  for (const auto& frame : frames) {
    double live = 0, candidate = 0;
    for (std::size_t c = 0; c < weight.size(); ++c) {
      live += weight[c] * static_cast<double>(frame.live[c]);
      candidate += weight[c] * static_cast<double>(frame.candidate[c]);
      if (frame.labelled[c] > 0)
        class_gain[c].add(static_cast<double>(frame.candidate[c] - frame.live[c]) /
                          static_cast<double>(all.labelled[c]));
    }
    result.live += live;
    result.candidate += candidate;
    gain.add(candidate - live);
  }
  result.standard_error = gain.standard_error();
  for (std::size_t c = 0; c < weight.size(); ++c)
    if (all.labelled[c] >= options.min_class_pixels &&
        class_gain[c].sum() + kErrorsOfAClass * class_gain[c].standard_error() < -options.class_tolerance)
      result.lost.push_back(static_cast<int>(c));
  return result;
}

bool may_go_live(const GuardComparison& comparison, double since_best, const GuardOptions& options) {
  return comparison.lost.empty() &&
         since_best + comparison.gain() + comparison.standard_error >= -options.tolerance;
}

}  // namespace driftloop::adapt
