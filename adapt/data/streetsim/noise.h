// Two tileable noise pictures, the same for every world: the grain of asphalt, plaster and leaves.
#pragma once
#include <array>
#include <cstddef>

#include "adapt/data/streetsim/maths.h"

namespace driftloop::adapt::streetsim {

class Noise {
 public:
  static constexpr int kSize = 256;  // texels, wraps around
  static const Noise& shared();

  /// Grain, -1..1, nearest texel.
  float grain(float x, float y) const { return grain_[index(floor_int(x), floor_int(y))]; }
  /// Fractal noise, about -1..1, bilinear. One unit is one texel; its coarsest octave is 32 texels.
  float cloud(float x, float y) const {
    const int ix = floor_int(x), iy = floor_int(y);
    const float fx = x - static_cast<float>(ix), fy = y - static_cast<float>(iy);
    const float top = cloud_[index(ix, iy)] * (1 - fx) + cloud_[index(ix + 1, iy)] * fx;
    const float bottom = cloud_[index(ix, iy + 1)] * (1 - fx) + cloud_[index(ix + 1, iy + 1)] * fx;
    return top * (1 - fy) + bottom * fy;
  }

 private:
  Noise();
  static std::size_t index(int x, int y) {
    return static_cast<std::size_t>((y & (kSize - 1)) * kSize + (x & (kSize - 1)));
  }
  std::array<float, kSize * kSize> grain_{};
  std::array<float, kSize * kSize> cloud_{};
};

}  // namespace driftloop::adapt::streetsim
