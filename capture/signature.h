// A picture, or what a model sees in it, as 96 bytes that can be compared: what the frame store knows about
// the content of its frames.
#pragma once
#include <array>
#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <span>

namespace driftloop::capture {

inline constexpr std::size_t kSignatureBytes = 96;
using Signature = std::array<std::uint8_t, kSignatureBytes>;

/// Colour and structure: over 4 x 3 cells the mean of L, a and b (CIELAB), the spread of L, and the mean
/// strength of the edges in four directions. As MPEG-7's colour layout and edge histogram, but with the light
/// left in: a road at dusk is another domain than the same road at noon. Light and edges are taken on
/// compressed scales (CIELAB's cube root, and a logarithm), so that dark or hazy streets differ among each
/// other as much as bright ones do. `image_rgb`: 8UC3, RGB, any size.
Signature look_of(const cv::Mat& image_rgb);

/// A feature vector of any length: its direction (cosine distance), on at most 96 axes. Longer ones are
/// projected with fixed random signs, which keeps distances to about one part in seven (Johnson and
/// Lindenstrauss 1984; signs: Achlioptas 2003). Finite values; all zeros = no direction, far from nothing.
Signature signature_of(std::span<const float> feature);

/// Squared Euclidean distance in steps of the bytes, at most 96 * 255^2.
inline std::uint32_t squared_distance(const Signature& a, const Signature& b) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < kSignatureBytes; ++i) {
    const auto d =
        static_cast<std::int16_t>(static_cast<std::int16_t>(a[i]) - static_cast<std::int16_t>(b[i]));
    sum += static_cast<std::int32_t>(d) * static_cast<std::int32_t>(d);
  }
  return static_cast<std::uint32_t>(sum);
}

}  // namespace driftloop::capture
