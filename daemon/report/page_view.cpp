#include "daemon/report/page_view.h"

#include <algorithm>
#include <cmath>

#include "daemon/report/format.h"
#include "daemon/report/verdict.h"

namespace driftloop::daemon {
namespace {
using nlohmann::json;

std::string dumped(const json& value, int indent) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

json texts(const std::vector<std::string>& lines) {
  json out = json::array();
  for (const std::string& line : lines) out.push_back({{"text", line}});
  return out;
}

json verdict_view(const Report& report) {
  constexpr const char* kKinds[] = {"helped", "even", "lost", "unknown"};
  const Verdict verdict = judge(report);
  return {{"kind", kKinds[static_cast<int>(verdict.outcome)]},
          {"headline", verdict.headline},
          {"sentence", verdict.sentence},
          {"details", texts(verdict.details)}};
}

json tiles(const Report& report) {
  json out = json::array();
  const Arm* choice = main_arm(report);
  if (!choice) return out;
  const auto tile = [&](const std::string& value, const std::string& label) {
    out.push_back({{"value", value}, {"label", label}});
  };
  const double mine = final_miou(*choice);
  tile(points(mine) + " %", "mIoU with " + title_of(*choice));
  for (const Role role : {Role::start, Role::chance})
    if (const Arm* other = find_arm(report, role); other && other != choice)
      tile(signed_points(mine - final_miou(*other)), "points against " + title_of(*other));
  if (const Arm* ceiling = find_arm(report, Role::ceiling); ceiling && final_miou(*ceiling) > 0)
    tile(percent(mine / final_miou(*ceiling)), "of " + title_of(*ceiling));
  const Round& last = *last_measured(*choice);
  if (report.pool_pixels > 0)
    tile(percent(static_cast<double>(last.labelled_pixels) / static_cast<double>(report.pool_pixels)),
         "of the pool's pixels labelled");
  if (last.bytes_sent > 0)
    tile(bytes(last.bytes_sent),
         report.pool_bytes > 0 ? "sent by the vehicle instead of " + bytes(report.pool_bytes) + " of frames"
                               : "sent by the vehicle");
  if (last.frame_ms > 0) tile(duration(last.frame_ms / 1e3), "for one frame, on " + report.device);
  if (last.memory_bytes > 0) tile(bytes(last.memory_bytes), "of memory for the learner, at most");
  return out;
}

json arms_view(const std::vector<ArmView>& arms) {
  json out = json::array();
  for (const ArmView& view : arms) {
    std::string settings;
    for (const auto& [key, value] : view.arm->settings.items())
      settings += (settings.empty() ? "" : ", ") + key + " = " + dumped(value, -1);
    out.push_back({{"title", view.title},
                   {"colour", view.colour},
                   {"explanation", view.arm->explanation},
                   {"settings", settings},
                   {"weights", view.arm->weights},
                   {"error", view.arm->error}});
  }
  return out;
}

/// The rule that adapt::Engine::judge() follows, with the tolerance of this run where it is known.
std::string guard_rule(const json& config) {
  const json::json_pointer enabled("/engine/guard/enabled");
  if (config.contains(enabled) && config.at(enabled) == false)
    return "No labelled regions are held out in this run: in every arm alike each round's model goes live.";
  const json::json_pointer tolerance("/engine/guard/tolerance");
  const std::string lost = config.contains(tolerance) && config.at(tolerance).is_number()
                               ? points(config.at(tolerance).get<double>()) + " points"
                               : "the tolerance";
  return "Some of the labelled regions are held out: no model trains on them. A candidate goes live unless "
         "the share of their pixels that it gets right (mean over classes, compared frame by frame) is below "
         "that of the live model, or of the best that ever was live, by more than " +
         lost +
         " and one standard error (s.e.) of the difference together, or one class alone is lost. So one that "
         "is a little worse may go live: what is less than that could be chance.";
}

json facts(const Report& report) {
  json out = json::array();
  const auto fact = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) out.push_back({{"name", name}, {"value", value}});
  };
  fact("Source", report.source);
  fact("Target", report.target);
  fact("Seed", std::to_string(report.seed));
  fact("Revision", report.revision);
  fact("Device", report.device);
  fact("Command", report.command);
  fact("Created", report.created);
  fact("Label space", report.label_space);
  fact("Pool", report.pool_pixels > 0 ? count(report.pool_pixels) + " pixels" : "");
  return out;
}

json sheets(const Report& report) {
  json out = json::array();
  for (const Sheet& sheet : report.sheets)
    out.push_back({{"title", sheet.title}, {"note", sheet.note}, {"table", sheet_table(sheet)}});
  return out;
}

json legend(json entries) {
  return {{"legend", std::move(entries)}};
}

json class_legend(const Report& report) {
  json out = json::array();
  for (const ClassView& view : class_views(report))
    if (!view.colour.empty()) out.push_back({{"title", view.name}, {"colour", view.colour}});
  out.push_back({{"title", "ignored"}, {"colour", "#000000"}});
  return legend(std::move(out));
}

json arm_legend(const std::vector<ArmView>& arms) {
  json out = json::array();
  for (const ArmView& view : arms) out.push_back({{"title", view.title}, {"colour", view.colour}});
  return legend(std::move(out));
}

bool any_sent(const Report& report) {
  return std::any_of(report.arms.begin(), report.arms.end(), [](const Arm& arm) {
    return std::any_of(arm.rounds.begin(), arm.rounds.end(), [](const Round& r) { return r.bytes_sent > 0; });
  });
}

json charts(std::initializer_list<std::string> drawn) {
  json out = json::array();
  for (const std::string& svg : drawn)
    if (!svg.empty()) out.push_back({{"svg", svg}});
  return out;
}

}  // namespace

json page_view(const Report& report) {
  const std::vector<ArmView> arms = arm_views(report);
  const Arm* ceiling = find_arm(report, Role::ceiling);
  const json tile_list = tiles(report), time = time_table(arms), guard = guard_table(arms);
  return {{"title", report.title},
          {"budget", report.budget},
          {"verdict", verdict_view(report)},
          {"has_tiles", !tile_list.empty()},
          {"tiles", tile_list},
          {"rounds_chart", rounds_chart(arms)},
          {"results", results_table(report, arms)},
          {"sheets", sheets(report)},
          {"arms", arms_view(arms)},
          {"ceiling", ceiling ? title_of(*ceiling) : ""},
          {"cost_charts", charts({pixels_chart(report, arms), bytes_chart(arms)})},
          {"cost", cost_table(report, arms)},
          {"any_sent", any_sent(report)},
          {"classes_chart", classes_chart(report, arms)},
          {"classes", classes_table(report, arms)},
          {"has_time", !time.at("rows").empty()},
          {"time_chart", time_chart(arms)},
          {"stage_legend", legend(stage_legend(arms))},
          {"time", time},
          {"has_guard", !guard.at("rows").empty()},
          {"guard_rule", guard_rule(report.config)},
          {"guard", guard},
          {"class_legend", class_legend(report)},
          {"arm_legend", arm_legend(arms)},
          {"facts", facts(report)},
          {"has_notes", !report.notes.empty()},
          {"notes", texts(report.notes)},
          {"config", dumped(report.config, 2)}};
}

json picture_view(const Picture& picture) {
  json panels = json::array();
  for (const Panel& panel : picture.panels)
    panels.push_back({{"name", panel.name},
                      {"title", picture.title},
                      {"type", panel.suffix == ".png" ? "image/png" : "image/jpeg"},
                      {"base64", base64(panel.bytes)}});
  return {{"title", picture.title}, {"caption", picture.caption}, {"panels", panels}};
}

}  // namespace driftloop::daemon
