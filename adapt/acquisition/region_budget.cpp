#include "adapt/acquisition/region_budget.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"

namespace driftloop::adapt {
namespace {
constexpr double kRoundingError = 1e-9;  // 0.15 x 40 regions are 6, not 7
}

RegionBudget region_budget(const Budget& budget, int side, std::int64_t pool_pixels) {
  const auto area = static_cast<std::int64_t>(side) * side;
  const auto total = limited(limited(pool_pixels, budget.pixels) / area, budget.regions);
  return {total, budget.pixels_per_frame ? std::min(total, *budget.pixels_per_frame / area) : total};
}

std::int64_t regions_left(const Budget& budget, const RegionBudget& regions, int side,
                          std::int64_t asked_px) {
  if (!budget.pixels_per_frame) return regions.per_frame;
  const auto area = static_cast<std::int64_t>(side) * side;
  return std::min(regions.per_frame, std::max<std::int64_t>(0, *budget.pixels_per_frame - asked_px) / area);
}

Budget guard_budget(const Budget& budget, double share, int side, const AskedCount& asked) {
  DL_CHECK(budget.pixels.has_value(), "a share of everything is not known");
  const auto area = static_cast<std::int64_t>(side) * side;
  const auto share_px = static_cast<std::int64_t>(static_cast<double>(*budget.pixels) * share);
  Budget guard = budget;
  guard.pixels = share_px;
  if (share <= 0 || (!budget.regions && share_px >= area)) return guard;
  const auto round = region_budget(budget, side, *budget.pixels).total;
  const auto part = [&](std::int64_t regions) {
    return static_cast<std::int64_t>(std::ceil(share * static_cast<double>(regions) - kRoundingError));
  };
  const auto owed = part(asked.regions + round) - asked.guard;
  const auto most = round > 1 ? std::min(round - 1, 2 * part(round))  // what is owed is made up for slowly
                              : std::min(round, asked.regions);
  const auto regions = std::clamp<std::int64_t>(owed, 0, most);
  guard.regions = regions;
  guard.pixels = regions * area;
  return guard;
}

}  // namespace driftloop::adapt
