// The arms of a benchmark: the ways of running the loop that are compared. All start from the same weights
// and differ in nothing but what their entry of the table changes.
#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/report/report.h"

namespace driftloop::daemon {

struct RunOptions;

/// The arm that keeps the rounds as they are written.
inline constexpr const char* kPlanArm = "plan";

struct ArmEntry {
  std::string name;         // as in `arms` of a run
  std::string title;        // "random regions"
  std::string explanation;  // one sentence for a newcomer
  Role role;
  std::function<void(RunOptions&)> change;  // of the learner's settings and the rounds
};

/// Every arm, the controls first, then each acquisition strategy that is not one of them.
const std::vector<ArmEntry>& arm_table();

/// Throws Error naming the nearest arm when there is none of this name.
const ArmEntry& arm_entry(std::string_view name);

/// "image_entropy" -> "image entropy".
std::string in_words(std::string name);

/// Every arm with its explanation, a line each, for a command's help.
std::string arm_help();

}  // namespace driftloop::daemon
