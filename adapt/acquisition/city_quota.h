// How many images each city or sequence contributes to a whole-image round.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace driftloop::adapt {

struct GroupCount {
  std::int64_t images = 0;  // in the pool
  std::int64_t asked = 0;   // of those, asked before
};

/// The published rule: round(ask (images - asked) / all images), half to even, in the order of the groups;
/// the last one takes the remainder. Where rounding or a group's size breaks that (the papers' splits never
/// do), quotas are held to what each group has left and the rest goes to the groups with the most images
/// left. Sums to min(ask, all left).
std::vector<std::int64_t> city_quota(std::span<const GroupCount> groups, std::int64_t ask);

}  // namespace driftloop::adapt
