// What may be asked for and how it is chosen; no LibTorch in this header.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"

namespace driftloop::adapt {

inline constexpr int kMaxRegionPx = 512;  // the kernels count the pixels of a window in 32 bits

/// Each strategy's own are described where the strategy is.
struct CoverOptions {
  double balance = 0.5;
  int max_clusters = 1024;
  int fit_tiles = 40'000;
  int max_tiles = 200'000;
  int kmeans_iterations = 10;
};
void describe(config::Fields& f, CoverOptions& o);

struct RipuPixelOptions {
  int radius_px = 32;
};
void describe(config::Fields& f, RipuPixelOptions& o);

struct AcquisitionOptions {
  std::string strategy = "cover";
  int region_px = 8;
  std::int64_t max_frames = 0;
  double share_per_round = 0.0025;
  std::int64_t pixels_per_round = 0;
  std::int64_t regions_per_round = 0;
  std::int64_t pixels_per_frame = 0;
  CoverOptions cover;
  RipuPixelOptions ripu_pixel;
};
void describe(config::Fields& f, AcquisitionOptions& o);

/// The names of acquisition_table.cpp.
std::vector<std::string> strategy_names();
/// What the strategy of that name asks for, from the same table. Throws Error when there is none.
std::string_view strategy_help(std::string_view name);

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
