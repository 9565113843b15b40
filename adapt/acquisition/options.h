// What may be asked for and how it is chosen; no LibTorch in this header.
#pragma once
#include <cstdint>

#include "config/fields.h"

namespace driftloop::adapt {

inline constexpr int kMaxRegionPx = 512;  // the kernels count the pixels of a window in 32 bits

struct AcquisitionOptions {
  config::Chosen strategy{"cover"};
  int region_px = 8;
  std::int64_t max_frames = 0;
  double share_per_round = 0.0025;
  std::int64_t pixels_per_round = 0;
  std::int64_t regions_per_round = 0;
  std::int64_t pixels_per_frame = 0;
};
void describe(config::Fields& f, AcquisitionOptions& o);

/// Every strategy of acquisition_table.cpp, for what describes a choice of one.
config::Choices strategy_choices();

/// Limits of one selection. 0 pixels = nothing may be asked; 0 in the other two = no limit.
struct Budget {
  std::int64_t pixels = 0;
  std::int64_t pixels_per_frame = 0;
  std::int64_t regions = 0;
};

/// The stricter of both in each.
Budget least(const Budget& a, const Budget& b);

/// What `options` allow one round over a pool of `pool_pixels` pixels: by the share at least one region.
Budget round_budget(const AcquisitionOptions& options, std::int64_t pool_pixels);

}  // namespace driftloop::adapt
