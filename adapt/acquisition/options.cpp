#include "adapt/acquisition/options.h"

#include <cmath>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

using Limit = std::optional<std::int64_t>;

Limit least_of(const Limit& a, const Limit& b) {
  return a && b ? std::min(*a, *b) : a ? a : b;
}

/// Rounded up, as the papers do per image; a part of a region would ask for nothing, so it is a whole one.
std::int64_t pixels_of_share(double share, std::int64_t pool_pixels, int region_px) {
  const auto pixels = static_cast<std::int64_t>(std::ceil(share * static_cast<double>(pool_pixels)));
  return pixels > 0 ? std::max(pixels, static_cast<std::int64_t>(region_px) * region_px) : 0;
}

std::int64_t pixels_of_images(std::int64_t images, const PoolSize& pool) {
  if (pool.frames == 0) return 0;
  return static_cast<std::int64_t>(std::ceil(static_cast<double>(images) * static_cast<double>(pool.pixels) /
                                             static_cast<double>(pool.frames)));
}

}  // namespace

void describe(config::Fields& f, AcquisitionOptions& o) {
  f.field("region_px", o.region_px, {1, kMaxRegionPx},
          "side of the square regions, px; people need 64 and more to see what it is");
  f.field("max_frames", o.max_frames, {1},
          "frames that one round looks at: new ones first, the rest spread over their age; none = the whole "
          "pool");
  for (const char* key : {"strategy", "cover", "ripu_pixel", "share_per_round", "pixels_per_round",
                          "regions_per_round", "pixels_per_frame"})
    f.gone(
        key,
        "each round says it for itself, as rounds: [{times: 3, strategy: random, budget: {share: 0.001}}]");
}

void describe(config::Fields& f, BudgetOptions& o) {
  f.field("share", o.share, {0, 1},
          "share of the pixels of the frames that a round looks at, at least one region");
  f.field("pixels", o.pixels, {0}, "pixels of the whole pool");
  f.field("regions", o.regions, {0}, "regions; 0 = the round asks for nothing");
  f.field(
      "clicks", o.clicks, {0},
      "key presses that name a class: one for a region that holds one class, else one for each; by what the "
      "regions answered before took, at first by the source's labels");
  f.field("images", o.images, {0}, "pixels of so many of the pool's frames, by their mean size");
  f.field("bytes", o.bytes, {0},
          "bytes that its regions may take on the link, by what those sent before took; on a vehicle alone");
  f.field("pixels_per_frame", o.pixels_per_frame, {0}, "pixels of each single frame");
}

Budget least(const Budget& a, const Budget& b) {
  return {.pixels = least_of(a.pixels, b.pixels),
          .pixels_per_frame = least_of(a.pixels_per_frame, b.pixels_per_frame),
          .regions = least_of(a.regions, b.regions)};
}

bool pays_nothing(const Budget& budget) {
  return limited(1, budget.pixels) <= 0 || limited(1, budget.pixels_per_frame) <= 0 ||
         limited(1, budget.regions) <= 0;
}

Budget budget_of(const BudgetOptions& options, const PoolSize& pool, int region_px,
                 const RegionPrice& price) {
  DL_CHECK(pool.pixels >= 0 && pool.frames >= 0, pool.pixels, pool.frames);
  Budget budget{options.pixels, options.pixels_per_frame, options.regions};
  if (options.share)
    budget = least(budget, {.pixels = pixels_of_share(*options.share, pool.pixels, region_px)});
  if (options.images) budget = least(budget, {.pixels = pixels_of_images(*options.images, pool)});
  if (options.clicks) {
    DL_CHECK(price.clicks >= 1, price.clicks);
    const double regions = static_cast<double>(*options.clicks) / price.clicks;
    budget = least(budget, {.regions = static_cast<std::int64_t>(regions)});
  }
  if (options.bytes) {
    DL_CHECK(price.bytes && *price.bytes > 0, "nobody said what a region takes on the link");
    const double regions = static_cast<double>(*options.bytes) / *price.bytes;
    budget = least(budget, {.regions = static_cast<std::int64_t>(regions)});
  }
  return budget;
}

}  // namespace driftloop::adapt
