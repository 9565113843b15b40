// How an arm is called, explained and coloured, and what of it a reader looks at first.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "daemon/report/report.h"

namespace driftloop::daemon {

struct ArmView {
  const Arm* arm;      // of the report the view was made from
  std::string title;   // "random regions"
  std::string colour;  // in CSS: "var(--arm-chance)"
  bool stands_out;     // it chooses, or the report is about it
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

/// What people call the arm.
const std::string& title_of(const Arm& arm);

/// The first arm of this role that has a measured round; for Role::choice the report's own first.
/// nullptr when there is none.
const Arm* find_arm(const Report& report, Role role);

/// The arm that the report is about: the one that Report::strategy names, by lot or not, if it has labels and
/// a measured round; else the first that chooses. nullptr when there is none.
const Arm* main_arm(const Report& report);

/// What a reader cannot compare with, because the run measured no arm of that role.
std::vector<std::string> missing_roles(const Report& report);

/// Every class of which an IoU was measured, in the order of the label space; else the scored classes.
std::vector<ClassView> class_views(const Report& report);

}  // namespace driftloop::daemon
