// What may be asked for and how it is chosen; no LibTorch in this header.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "config/fields.h"

namespace driftloop::adapt {

inline constexpr int kMaxRegionPx = 512;  // the kernels count the pixels of a window in 32 bits

struct CoverOptions {
  double balance = 0.5;     // tiles count by (share of their predicted class)^-balance: 0 = clusters follow
                            // area, 1 = every predicted class gets as many
  int max_clusters = 1024;  // caps the cost of k-means; beyond it several regions a cluster are asked
  int fit_tiles = 40'000;   // tiles that k-means is fitted on
  int max_tiles = 200'000;  // tiles kept as candidates over the whole pool (at least 2 per region asked)
  int kmeans_iterations = 10;  // Lloyd iterations
};
void describe(config::Fields& f, CoverOptions& o);

struct AcquisitionOptions {
  std::string strategy = "cover";
  int region_px = 8;                  // side of the square regions; people need 64 and more to see what it is
  std::int64_t max_frames = 0;        // frames that one round looks at; 0 = the whole pool
  double share_per_round = 0.0025;    // of the pool's pixels; what one round may ask for
  std::int64_t pixels_per_round = 0;  // the same in pixels; 0 = by the share
  std::int64_t regions_per_round = 0;  // clicks; 0 = no limit (this or the pixels, whichever is less)
  std::int64_t pixels_per_frame = 0;   // 0 = no limit (budget over the pool), else also per frame and round
  int score_radius_px = 32;            // ripu_pixel: half side of the window that a pixel's score looks at
  CoverOptions cover;
};
void describe(config::Fields& f, AcquisitionOptions& o);

/// The names of acquisition_table.cpp.
std::vector<std::string> strategy_names();

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
