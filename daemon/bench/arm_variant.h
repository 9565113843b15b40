// Arms of a run's own: an arm of the table with other rounds or other settings of the learner, written in the
// run's settings. The rows of the papers' tables are made of these, and ablations.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/fields.h"
#include "daemon/bench/arm_table.h"
#include "daemon/round_plan.h"

namespace driftloop::daemon {

struct ArmVariant {
  std::string name;
  std::string like = kPlanArm;
  std::string title;
  std::string explanation;
  RoundPlan rounds;
  std::vector<std::string> set;
};
void describe(config::Fields& f, ArmVariant& o);

/// The arm of this name, one of the run's own before those of the table. Its change() is of a run as it is
/// written. Throws Error naming the nearest arm when there is none.
ArmEntry arm_of(const RunOptions& run, std::string_view name);

/// What can never work; `key` is the list's own. Failures only.
Findings variant_problems(const RunOptions& run, const std::string& key);

/// An arm without results, called and explained as in the run.
Arm empty_arm(const RunOptions& run, std::string_view name);

}  // namespace driftloop::daemon
