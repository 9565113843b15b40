#include "adapt/acquisition/region_budget.h"

#include <algorithm>
#include <cmath>

namespace driftloop::adapt {
namespace {
constexpr double kRoundingError = 1e-9;  // 0.15 x 40 regions are 6, not 7
}

RegionBudget region_budget(const Budget& budget, int side, std::int64_t pool_pixels) {
  const auto area = static_cast<std::int64_t>(side) * side;
  const auto by_pixels = std::min(budget.pixels, pool_pixels) / area;
  const auto total = budget.regions > 0 ? std::min(by_pixels, budget.regions) : by_pixels;
  return {total, budget.pixels_per_frame > 0 ? std::min(total, budget.pixels_per_frame / area) : total};
}

std::int64_t regions_left(const Budget& budget, const RegionBudget& regions, int side,
                          std::int64_t asked_px) {
  if (budget.pixels_per_frame == 0) return regions.per_frame;
  const auto area = static_cast<std::int64_t>(side) * side;
  return std::min(regions.per_frame, std::max<std::int64_t>(0, budget.pixels_per_frame - asked_px) / area);
}

Budget guard_budget(const Budget& budget, double share, int side, const AskedCount& asked) {
  const auto area = static_cast<std::int64_t>(side) * side;
  Budget guard = budget;
  guard.pixels = static_cast<std::int64_t>(static_cast<double>(budget.pixels) * share);
  if (share <= 0 || (budget.regions == 0 && guard.pixels >= area)) return guard;
  const auto round = region_budget(budget, side, budget.pixels).total;
  const auto part = [&](std::int64_t regions) {
    return static_cast<std::int64_t>(std::ceil(share * static_cast<double>(regions) - kRoundingError));
  };
  const auto owed = part(asked.regions + round) - asked.guard;
  const auto most = round > 1 ? std::min(round - 1, 2 * part(round))  // what is owed is made up for slowly
                              : std::min(round, asked.regions);
  guard.regions = std::clamp<std::int64_t>(owed, 0, most);
  guard.pixels = guard.regions * area;
  return guard;
}

}  // namespace driftloop::adapt
