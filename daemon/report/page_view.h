// What page.mustache shows: plain values under the names that the template uses. Every key of an object is
// always there; "" and an empty list are what a section leaves out. Texts are escaped by the template, not
// here.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/report/arm_view.h"
#include "daemon/report/report.h"

namespace driftloop::daemon {

/// The whole page but for its pictures.
nlohmann::json page_view(const Report& report);

/// {title, caption, panels: [{name, title, type, base64}]}.
nlohmann::json picture_view(const Picture& picture);

/// {heads: [{text, help, colour}], rows: [{name, colour, cells: [{text, key, kind}]}]}; a column is sorted by
/// `key`.
nlohmann::json results_table(const Report& report, const std::vector<ArmView>& arms);
/// What each round of the arms that asked had cost by then.
nlohmann::json cost_table(const Report& report, const std::vector<ArmView>& arms);
nlohmann::json classes_table(const Report& report, const std::vector<ArmView>& arms);
nlohmann::json sheet_table(const Sheet& sheet);
nlohmann::json time_table(const std::vector<ArmView>& arms);
nlohmann::json guard_table(const std::vector<ArmView>& arms);

/// The charts as SVG; "" when there is nothing to draw.
std::string rounds_chart(const std::vector<ArmView>& arms);
std::string pixels_chart(const Report& report, const std::vector<ArmView>& arms);
std::string bytes_chart(const std::vector<ArmView>& arms);
std::string classes_chart(const Report& report, const std::vector<ArmView>& arms);
std::string time_chart(const std::vector<ArmView>& arms);

/// {title, colour} of each stage, as time_chart draws it.
nlohmann::json stage_legend(const std::vector<ArmView>& arms);

}  // namespace driftloop::daemon
