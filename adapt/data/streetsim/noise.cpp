#include "adapt/data/streetsim/noise.h"

namespace driftloop::adapt::streetsim {
namespace {

/// Value noise on a lattice of `cell` texels, wrapping at Noise::kSize.
float lattice(int x, int y, int cell) {
  const int cells = Noise::kSize / cell;
  const int cx = x / cell, cy = y / cell;
  const auto corner = [&](int ix, int iy) { return unit(hash_of(77, cell, ix % cells, iy % cells)) * 2 - 1; };
  const float fx = smooth(static_cast<float>(x % cell) / static_cast<float>(cell));
  const float fy = smooth(static_cast<float>(y % cell) / static_cast<float>(cell));
  return mix(mix(corner(cx, cy), corner(cx + 1, cy), fx), mix(corner(cx, cy + 1), corner(cx + 1, cy + 1), fx),
             fy);
}

}  // namespace

Noise::Noise() {
  for (int y = 0; y < kSize; ++y)
    for (int x = 0; x < kSize; ++x) {
      grain_[index(x, y)] = unit(hash_of(13, x, y)) + unit(hash_of(17, x, y)) - 1;
      float sum = 0, weight = 0.55F;
      for (int cell = 32; cell >= 2; cell /= 2, weight *= 0.6F) sum += weight * lattice(x, y, cell);
      cloud_[index(x, y)] = sum;
    }
}

const Noise& Noise::shared() {
  static const Noise noise;
  return noise;
}

}  // namespace driftloop::adapt::streetsim
