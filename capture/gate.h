// Which frames are worth a place in the store: not blurred, not too dark or bright, not a copy of the last
// one, not too soon after it.
#pragma once
#include <array>
#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <optional>
#include <string_view>

#include "capture/frame.h"
#include "config/fields.h"

namespace driftloop::capture {

struct GateOptions {
  double min_sharpness = 20;
  double min_brightness = 12;
  double max_brightness = 243;
  double min_difference = 2.0;
  std::int64_t min_interval_ns = 0;
};
void describe(config::Fields& f, GateOptions& o);

enum class Verdict { keep, blurred, dark, bright, near_copy, too_soon };
inline constexpr int kVerdicts = 6;
std::string_view verdict_name(Verdict verdict);

/// What the verdict was made from. Values of tests that were not reached are absent.
struct GateReport {
  Verdict verdict = Verdict::keep;
  std::optional<double> brightness, sharpness, difference;
};

/// No clock of its own. Tests run from the cheapest to the dearest: too_soon, dark, bright, near_copy,
/// blurred. A frame that seems older than the last kept one (the wall clock was set back) is never too soon.
class FrameGate {
 public:
  explicit FrameGate(GateOptions options);
  [[nodiscard]] GateReport look(const Frame& frame);
  std::uint64_t count(Verdict verdict) const { return counts_[static_cast<std::size_t>(verdict)]; }

 private:
  GateReport judge(const Frame& frame, cv::Mat& thumbnail) const;

  GateOptions options_;
  std::array<std::uint64_t, kVerdicts> counts_{};
  cv::Mat last_thumbnail_;  // 24 x 32, 8UC1
  std::optional<std::int64_t> last_kept_ns_;
};

}  // namespace driftloop::capture
