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
/// bounds what is kept in memory when the budget is larger than the pool.
RegionBudget region_budget(const Budget& budget, int side, std::int64_t pool_pixels);

}  // namespace driftloop::adapt
