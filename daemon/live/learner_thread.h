// The thread that owns the learner.
#pragma once
#include <stop_token>

#include "daemon/live/live_loop.h"

namespace driftloop::daemon {

/// Runs the loop until `stop`, or until its rounds are done where it shall end then (Health::finished). What
/// the world or a user did wrong (a state of another model or seed, missing weights, a failed store) is no
/// end: it is said, the owner is degraded, and the loop is begun again after a growing wait, while capture
/// and link go on. Our own bugs leave it.
void run_learner(const LiveParts& parts, std::stop_token stop);

}  // namespace driftloop::daemon
