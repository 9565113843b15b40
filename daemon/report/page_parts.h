// The sections of report.html. Each returns escaped HTML, "" when the report holds nothing for it.
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "daemon/report/arm_view.h"
#include "daemon/report/report.h"

namespace driftloop::daemon {

/// <i class="swatch"> in a CSS colour ("#804080" or "var(--arm-full)").
std::string swatch(std::string_view colour);
/// The swatch and the title of an arm.
std::string arm_label(const ArmView& arm);

/// What each arm is, and its settings of its own.
std::string arms_section(const std::vector<ArmView>& arms);
/// mIoU of every round and the cost, a line per arm.
std::string results_table(const Report& report, const std::vector<ArmView>& arms);
/// IoU of every class after the last round, a column per arm.
std::string classes_table(const Report& report, const std::vector<ArmView>& arms);
/// Seconds per stage over all rounds, a column per arm.
std::string time_table(const std::vector<ArmView>& arms);
std::string guard_table(const std::vector<ArmView>& arms);

/// Rows of pictures as long as they fit into `budget_bytes` of HTML, with the legend of the classes.
std::string pictures_section(const Report& report, std::size_t budget_bytes);

}  // namespace driftloop::daemon
