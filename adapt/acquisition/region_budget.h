// A budget of pixels as a number of equal regions.
#pragma once
#include <cstdint>

#include "adapt/acquisition/options.h"

namespace driftloop::adapt {

struct RegionBudget {
  std::int64_t total;      // regions over the pool
  std::int64_t per_frame;  // regions of one frame
};

/// How many side x side regions fit under `budget`; the pool cannot hold more than `pool_pixels` allow, which
/// bounds what is kept in memory when the budget is larger than the pool or limits nothing.
RegionBudget region_budget(const Budget& budget, int side, std::int64_t pool_pixels);

/// Regions that may still be asked of a frame of which this round asks `asked_px` pixels already.
std::int64_t regions_left(const Budget& budget, const RegionBudget& regions, int side, std::int64_t asked_px);

/// What was asked so far, over all rounds.
struct AskedCount {
  std::int64_t regions = 0;  // the guard's included
  std::int64_t guard = 0;
};

/// The guard's part of a round's budget of side x side regions, whose pixels must be limited (by the pool's
/// where by nothing else). By pixels it is the share, rounded down.
/// Where the regions are limited, or the share of the pixels pays for no region, rounding would give the
/// guard nothing or all in every round: then its share holds over all rounds together, and it never gets all
/// of a round (or of the first one, where rounds are single regions).
Budget guard_budget(const Budget& budget, double share, int side, const AskedCount& asked);

}  // namespace driftloop::adapt
