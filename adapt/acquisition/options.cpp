#include "adapt/acquisition/options.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"

namespace driftloop::adapt {

void describe(config::Fields& f, AcquisitionOptions& o) {
  f.chosen("strategy", o.strategy, strategy_choices(), "how regions are chosen");
  f.field("region_px", o.region_px, {1, kMaxRegionPx},
          "side of the square regions, px; people need 64 and more to see what it is");
  f.field(
      "max_frames", o.max_frames, {0},
      "frames that one round looks at: new ones first, the rest spread over their age; 0 = the whole pool");
  f.field("share_per_round", o.share_per_round, {0, 1},
          "share of the pool's pixels that one round may ask for, at least one region");
  f.field("pixels_per_round", o.pixels_per_round, {0},
          "pixels that one round may ask for; 0 = by share_per_round");
  f.field("regions_per_round", o.regions_per_round, {0},
          "regions (clicks) that one round may ask for, if the pixels allow them; 0 = no limit");
  f.field("pixels_per_frame", o.pixels_per_frame, {0},
          "pixels asked of one frame in one round; 0 = no limit but the pool's");
}

Budget least(const Budget& a, const Budget& b) {
  const auto limit = [](std::int64_t x, std::int64_t y) {
    return x == 0 || y == 0 ? std::max(x, y) : std::min(x, y);
  };
  return {.pixels = std::min(a.pixels, b.pixels),
          .pixels_per_frame = limit(a.pixels_per_frame, b.pixels_per_frame),
          .regions = limit(a.regions, b.regions)};
}

Budget round_budget(const AcquisitionOptions& options, std::int64_t pool_pixels) {
  DL_CHECK(pool_pixels >= 0, pool_pixels);
  // Rounded up, as the papers do per image: a small pool still gets its region.
  auto by_share =
      static_cast<std::int64_t>(std::ceil(options.share_per_round * static_cast<double>(pool_pixels)));
  if (by_share > 0)
    by_share = std::max(by_share, static_cast<std::int64_t>(options.region_px) * options.region_px);
  return {.pixels = options.pixels_per_round > 0 ? options.pixels_per_round : by_share,
          .pixels_per_frame = options.pixels_per_frame,
          .regions = options.regions_per_round};
}

}  // namespace driftloop::adapt
