#include "adapt/acquisition/city_quota.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

std::int64_t left_of(const GroupCount& group) {
  return group.images - group.asked;
}

/// Moves quotas one by one until they sum to `ask`: up where most is left, down where the quota is largest.
void settle(std::span<const GroupCount> groups, std::int64_t ask, std::vector<std::int64_t>& quota) {
  std::int64_t sum = 0;
  for (const auto q : quota) sum += q;
  for (; sum < ask; ++sum) {
    std::size_t best = 0;
    for (std::size_t g = 1; g < quota.size(); ++g)
      if (left_of(groups[g]) - quota[g] > left_of(groups[best]) - quota[best]) best = g;
    ++quota[best];
  }
  for (; sum > ask; --sum) --*std::max_element(quota.begin(), quota.end());
}

}  // namespace

std::vector<std::int64_t> city_quota(std::span<const GroupCount> groups, std::int64_t ask) {
  std::int64_t images = 0;
  std::int64_t left = 0;
  for (const auto& group : groups) {
    DL_CHECK(group.asked >= 0 && group.asked <= group.images, group.asked, group.images);
    images += group.images;
    left += left_of(group);
  }
  std::vector<std::int64_t> quota(groups.size(), 0);
  if (left == 0 || ask <= 0) return quota;
  ask = std::min(ask, left);
  std::int64_t remainder = ask;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const double share =
        static_cast<double>(ask) * static_cast<double>(left_of(groups[g])) / static_cast<double>(images);
    const auto wanted = g + 1 == groups.size() ? remainder : std::llrint(share);  // llrint: half to even
    remainder -= wanted;
    quota[g] = std::clamp<std::int64_t>(wanted, 0, left_of(groups[g]));
  }
  settle(groups, ask, quota);
  return quota;
}

}  // namespace driftloop::adapt
