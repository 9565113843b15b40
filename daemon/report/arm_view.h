// How an arm is called, explained and coloured, and what of it a reader looks at first.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "daemon/report/report.h"

namespace driftloop::daemon {

enum class Role { source_only, self_training, random, strategy, full };

struct ArmView {
  const Arm* arm;  // of the report the view was made from
  Role role;
  std::string title;        // "random regions"
  std::string explanation;  // one line for a newcomer
  std::string colour;       // name of the CSS variable that holds its colour: "--arm-random"
};

struct ClassView {
  std::string name;
  std::string colour;  // "#804080"; "" = not one of the known classes
};

/// The last measured round, or nullptr.
const Round* last_measured(const Arm& arm);

/// Its mIoU (0..1), NaN when nothing was measured.
double final_miou(const Arm& arm);

/// The arms in the order of the report.
std::vector<ArmView> arm_views(const Report& report);

/// The first arm of this role that has a measured round; for Role::strategy the report's own choice first.
/// nullptr when there is none.
const Arm* find_arm(const Report& report, Role role);

/// Titles of the controls that the run lacks.
std::vector<std::string> missing_controls(const Report& report);

/// Every class of which an IoU was measured, in the order of the label space; else the scored classes.
std::vector<ClassView> class_views(const Report& report);

}  // namespace driftloop::daemon
