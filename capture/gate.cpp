#include "capture/gate.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "config/check.h"

namespace driftloop::capture {
namespace {

constexpr int kSharpnessWidth = 320;  // the scale at which sharpness is comparable between cameras
constexpr double kContrast = 64;      // grey levels of standard deviation after normalisation
constexpr double kMaxGain = 8;        // beyond it we would measure the sensor's noise
const cv::Size kThumbnail{32, 24};

double sharpness_of(const cv::Mat& grey) {
  cv::Mat small = grey;
  if (grey.cols > kSharpnessWidth) {
    const int height =
        std::max(1, static_cast<int>(std::lround(double(grey.rows) * kSharpnessWidth / grey.cols)));
    cv::resize(grey, small, {kSharpnessWidth, height}, 0, 0, cv::INTER_AREA);
  }
  cv::Scalar mean, deviation;
  cv::meanStdDev(small, mean, deviation);
  const double gain = std::min(kMaxGain, kContrast / std::max(deviation[0], 1e-6));
  cv::Mat edges;
  cv::Laplacian(small, edges, CV_32F);
  cv::meanStdDev(edges, mean, deviation);
  return deviation[0] * deviation[0] * gain * gain;
}

}  // namespace

void describe(config::Fields& f, GateOptions& o) {
  f.field(
      "min_sharpness", o.min_sharpness, {0, 1e6},
      "variance of the Laplacian of the grey picture below which it is blurred, at 320 pixels of width and "
      "a standard deviation of 64 grey levels, so that a flat but sharp night picture passes; 0 = keep "
      "blurred frames");
  f.field("min_brightness", o.min_brightness, {0, 255}, "mean grey level below which a frame is too dark");
  f.field("max_brightness", o.max_brightness, {0, 255}, "mean grey level above which a frame is too bright");
  f.field(
      "min_difference", o.min_difference, {0, 255},
      "mean absolute grey difference to the last kept frame, at 32 x 24, below which it is a copy; 0 = keep "
      "copies");
  f.field("min_interval_ns", o.min_interval_ns, {0, 86'400'000'000'000},
          "nanoseconds since the last kept frame at least, by the frames' own time; 0 = no such limit");
}

std::string_view verdict_name(Verdict verdict) {
  constexpr std::array<std::string_view, kVerdicts> kNames{"keep",   "blurred",   "dark",
                                                           "bright", "near_copy", "too_soon"};
  return kNames.at(static_cast<std::size_t>(verdict));
}

FrameGate::FrameGate(GateOptions options) : options_(options) {
  if (options_.min_brightness > options_.max_brightness)
    throw Error("gate: min_brightness is greater than max_brightness; no frame would pass");
}

GateReport FrameGate::judge(const Frame& frame, cv::Mat& thumbnail) const {
  GateReport report;
  const auto as = [&](Verdict verdict) {
    report.verdict = verdict;
    return report;
  };
  if (last_kept_ns_ && frame.captured_ns >= *last_kept_ns_ &&
      frame.captured_ns - *last_kept_ns_ < options_.min_interval_ns)
    return as(Verdict::too_soon);
  cv::Mat grey;
  cv::cvtColor(frame.image_rgb, grey, cv::COLOR_RGB2GRAY);
  report.brightness = cv::mean(grey)[0];
  if (*report.brightness < options_.min_brightness) return as(Verdict::dark);
  if (*report.brightness > options_.max_brightness) return as(Verdict::bright);
  cv::resize(grey, thumbnail, kThumbnail, 0, 0, cv::INTER_AREA);
  if (!last_thumbnail_.empty()) {
    report.difference = cv::norm(thumbnail, last_thumbnail_, cv::NORM_L1) / kThumbnail.area();
    if (*report.difference < options_.min_difference) return as(Verdict::near_copy);
  }
  report.sharpness = sharpness_of(grey);
  if (*report.sharpness < options_.min_sharpness) return as(Verdict::blurred);
  return report;
}

GateReport FrameGate::look(const Frame& frame) {
  DL_CHECK(!frame.image_rgb.empty() && frame.image_rgb.type() == CV_8UC3, frame.image_rgb.type());
  cv::Mat thumbnail;
  const GateReport report = judge(frame, thumbnail);
  ++counts_[static_cast<std::size_t>(report.verdict)];
  if (report.verdict == Verdict::keep) {
    last_thumbnail_ = thumbnail;
    last_kept_ns_ = frame.captured_ns;
  }
  return report;
}

}  // namespace driftloop::capture
