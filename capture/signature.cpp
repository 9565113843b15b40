#include "capture/signature.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "config/check.h"
#include "config/random.h"

namespace driftloop::capture {
namespace {

constexpr int kWidth = 128, kHeight = 96;  // of the small picture that everything is measured on
constexpr int kColumns = 4, kRows = 3;
constexpr int kPerCell = 8;
static_assert(kColumns * kRows * kPerCell == kSignatureBytes);

// Weights that give light, colour, spread and edges of real and rendered streets a like share of the
// distance.
constexpr double kChroma = 2.0;  // a and b of streets keep within a fifth of their range
constexpr double kSpread = 45;
constexpr double kEdge = 36;
constexpr double kFeature = 28.0;  // steps per standard deviation of a random direction

std::uint8_t to_byte(double value) {
  return static_cast<std::uint8_t>(std::clamp(std::lround(value), 0L, 255L));
}

/// The signs of the axes are those of config::mix64: the same on every machine and in every version.
std::array<double, kSignatureBytes> on_96_axes(std::span<const float> feature) {
  std::array<double, kSignatureBytes> axes{};
  if (feature.size() <= kSignatureBytes) {
    std::copy(feature.begin(), feature.end(), axes.begin());
    return axes;
  }
  for (std::size_t i = 0; i < feature.size(); ++i) {
    const double value = feature[i];
    std::uint64_t bits = 0;
    for (std::size_t axis = 0; axis < kSignatureBytes; ++axis, bits >>= 1) {
      if (axis % 64 == 0) bits = config::mix64(2 * i + axis / 64);
      axes[axis] += bits & 1 ? value : -value;
    }
  }
  return axes;
}

}  // namespace

Signature look_of(const cv::Mat& image_rgb) {
  DL_CHECK(!image_rgb.empty() && image_rgb.type() == CV_8UC3, image_rgb.type());
  cv::Mat small, lab, gx, gy;
  cv::resize(image_rgb, small, {kWidth, kHeight}, 0, 0, cv::INTER_AREA);
  cv::cvtColor(small, lab, cv::COLOR_RGB2Lab);
  std::vector<cv::Mat> planes;
  cv::split(lab, planes);
  cv::Sobel(planes[0], gx, CV_32F, 1, 0, 3, 1.0 / 8);
  cv::Sobel(planes[0], gy, CV_32F, 0, 1, 3, 1.0 / 8);
  const cv::Mat directions[] = {cv::abs(gx), cv::abs(gy), cv::abs(gx + gy) * M_SQRT1_2,
                                cv::abs(gx - gy) * M_SQRT1_2};
  Signature signature{};
  auto* out = signature.data();
  const cv::Size cell(kWidth / kColumns, kHeight / kRows);
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      const cv::Rect box(cv::Point(column * cell.width, row * cell.height), cell);
      cv::Scalar mean, spread;
      cv::meanStdDev(lab(box), mean, spread);
      *out++ = to_byte(mean[0]);
      *out++ = to_byte(128 + kChroma * (mean[1] - 128));
      *out++ = to_byte(128 + kChroma * (mean[2] - 128));
      *out++ = to_byte(kSpread * std::log1p(spread[0] / 4));
      for (const cv::Mat& direction : directions)
        *out++ = to_byte(kEdge * std::log1p(4 * cv::mean(direction(box))[0]));
    }
  }
  return signature;
}

Signature signature_of(std::span<const float> feature) {
  DL_CHECK(!feature.empty(), "a feature without a value");
  for (const float value : feature) DL_CHECK(std::isfinite(value), value);
  const auto axes = on_96_axes(feature);
  double norm = 0;
  for (const double value : axes) norm += value * value;
  norm = std::sqrt(norm);
  const double used = std::sqrt(static_cast<double>(std::min(feature.size(), kSignatureBytes)));
  Signature signature;
  for (std::size_t i = 0; i < kSignatureBytes; ++i)
    signature[i] = to_byte(128 + (norm > 0 ? kFeature * used * axes[i] / norm : 0));
  return signature;
}

}  // namespace driftloop::capture
