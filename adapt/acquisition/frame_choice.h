// Which frames of the pool a round looks at, when the pool is larger than a round can score.
#pragma once
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adapt/data/frame_pool.h"

namespace driftloop::adapt {

struct FrameChoice {
  std::optional<std::int64_t> max_frames;  // none = all of the pool
  std::uint64_t seed = 0;
  const std::set<std::string>& looked_at;  // frames that an earlier round has scored
  const std::set<std::string>& asked;      // frames that something was asked of
};

/// `pool` is in order of age, oldest first; so is the result, which holds min(max_frames, pool) of its
/// frames: up to a quarter is drawn from those asked before (so that `cover` knows what is covered), half of
/// what is left are the newest that were never looked at, and the rest is spread evenly over the age of all
/// others, one drawn from each stretch, again the never looked at before the others: a drive of another look
/// long ago is met as surely as the last minutes. The same arguments give the same frames.
std::vector<PoolFrame> choose_frames(std::vector<PoolFrame> pool, const FrameChoice& choice);

}  // namespace driftloop::adapt
