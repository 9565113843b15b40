// What one round asks for: which frames it looks at, the guard's random share, the strategy's choice from the
// rest. With a scratch folder an interrupted round goes on where it was.
#pragma once
#include <set>
#include <string>
#include <vector>

#include "adapt/data/frame_pool.h"
#include "adapt/data/target_labels.h"
#include "adapt/model/placed_net.h"
#include "adapt/options.h"
#include "adapt/propose.h"
#include "adapt/ranks.h"

namespace driftloop::adapt {

/// Everything outlives the call.
struct RoundParts {
  const AcquisitionOptions& acquisition;
  const GuardOptions& guard;
  const PlacedNet& teacher;
  const FramePool& pool;
  const TargetLabels& labels;
  const std::set<std::string>& looked_at;  // frames that earlier rounds have scored
  std::uint64_t seed;                      // of the round
  const Ranks& ranks = Ranks::alone();
};

struct RoundChoice {
  std::vector<Region> guard, train;
  std::vector<PoolFrame> frames;  // what there was to choose from
  bool scored = false;            // the strategy looked at them: the budget paid for more than the guard
  bool stopped = false;           // nothing is chosen
  int resumed_frames = 0;
  std::string scratch_problem;
};

/// The frames that the next round looks at, in the pool's order (frame_choice.h).
std::vector<PoolFrame> round_frames(const RoundParts& parts);
PoolSize size_of(const std::vector<PoolFrame>& frames);

/// Chooses; asks for nothing yet. `key` names the state that the choice is made from. Throws Error.
RoundChoice choose_round(const RoundParts& parts, const std::string& key, const ProposeRequest& request);

}  // namespace driftloop::adapt
