#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "daemon/report/format.h"
#include "daemon/report/page_view.h"

namespace driftloop::daemon {
namespace {
using nlohmann::json;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// A cell that shows `text` and is sorted by `value`.
json number_cell(const std::string& text, double value, const std::string& kind = "") {
  return {{"text", text},
          {"key", std::isfinite(value) ? compact(value) : ""},
          {"kind", kind.empty() ? "n" : "n " + kind}};
}
json text_cell(const std::string& text, const std::string& kind = "") {
  return {{"text", text}, {"key", ""}, {"kind", kind}};
}
json points_cell(double value) {
  return number_cell(points(value), value);
}
json gap_cell(double value) {
  return number_cell(signed_points(value), value, value > 0.0005 ? "up" : value < -0.0005 ? "down" : "");
}
json count_cell(std::int64_t value) {
  return number_cell(count(value), static_cast<double>(value));
}
json bytes_cell(std::int64_t value) {
  return number_cell(bytes(value), static_cast<double>(value));
}
json share_cell(double part, double whole) {
  return whole > 0 && std::isfinite(part) ? number_cell(percent(part / whole), part / whole)
                                          : number_cell("–", kNone);
}

json head(const std::string& text, const std::string& help = "", const std::string& colour = "") {
  return {{"text", text}, {"help", help}, {"colour", colour}};
}
json row(const std::string& name, const std::string& colour) {
  return {{"name", name}, {"colour", colour}, {"cells", json::array()}};
}
json table(const std::vector<json>& heads) {
  return {{"heads", heads}, {"rows", json::array()}};
}
/// The first column, then one for each arm.
json arms_as_columns(const std::string& first, const std::vector<ArmView>& arms) {
  json out = table({head(first)});
  for (const ArmView& view : arms) out["heads"].push_back(head(view.title, "", view.colour));
  return out;
}

double iou_of(const Arm* arm, const std::string& name) {
  const Round* round = arm ? last_measured(*arm) : nullptr;
  if (!round) return kNone;
  const auto found = round->per_class_iou.find(name);
  return found == round->per_class_iou.end() ? kNone : found->second;
}

double total_seconds(const Arm& arm) {
  double total = kNone;
  for (const Round& round : arm.rounds)
    for (const auto& [stage, seconds] : round.seconds)
      if (std::isfinite(seconds)) total = std::isfinite(total) ? total + seconds : seconds;
  return total;
}

std::set<int> round_numbers(const std::vector<ArmView>& arms) {
  std::set<int> numbers;
  for (const ArmView& view : arms)
    for (const Round& round : view.arm->rounds) numbers.insert(round.round);
  return numbers;
}

double miou_of(const Arm& arm, int number) {
  const auto found = std::find_if(arm.rounds.begin(), arm.rounds.end(),
                                  [&](const Round& round) { return round.round == number; });
  return found == arm.rounds.end() ? kNone : found->miou;
}

}  // namespace

json results_table(const Report& report, const std::vector<ArmView>& arms) {
  const std::set<int> numbers = round_numbers(arms);
  json out = table({head("Arm")});
  for (int number : numbers)
    out["heads"].push_back(head("R" + std::to_string(number), "mIoU in % after this round"));
  const Arm* ceiling = find_arm(report, Role::ceiling);
  const std::string of_ceiling = "last mIoU as a share of " + (ceiling ? title_of(*ceiling) : "a ceiling");
  for (const auto& [text, help] : std::initializer_list<std::pair<const char*, std::string>>{
           {"Of ceiling", of_ceiling},
           {"Pixels", "labelled pixels"},
           {"Of pool", "labelled pixels as a share of the pool"},
           {"Regions", "labelled regions"},
           {"Clicks",
            "one for a region that holds one class, else one for each class; whole images have none"},
           {"Frames", "frames that hold a labelled region"},
           {"Sent", "by the vehicle"},
           {"Steps", "optimiser steps on the target"},
           {"Time", "all rounds"},
           {"Frame", "time of the last model for a frame, from the decoded picture to its labels"},
           {"Memory", "of the learner's process at most"}})
    out["heads"].push_back(head(text, help));
  for (const ArmView& view : arms) {
    const Round last = view.arm->rounds.empty() ? Round{} : view.arm->rounds.back();
    json line = row(view.title, view.colour);
    json& cells = line["cells"];
    for (int number : numbers) cells.push_back(points_cell(miou_of(*view.arm, number)));
    cells.push_back(share_cell(final_miou(*view.arm), ceiling ? final_miou(*ceiling) : 0.0));
    cells.push_back(count_cell(last.labelled_pixels));
    cells.push_back(
        share_cell(static_cast<double>(last.labelled_pixels), static_cast<double>(report.pool_pixels)));
    cells.push_back(count_cell(last.regions));
    cells.push_back(last.clicks > 0 ? count_cell(last.clicks) : number_cell("–", kNone));
    cells.push_back(count_cell(last.frames));
    cells.push_back(bytes_cell(last.bytes_sent));
    cells.push_back(count_cell(last.steps));
    cells.push_back(number_cell(duration(total_seconds(*view.arm)), total_seconds(*view.arm)));
    cells.push_back(last.frame_ms > 0 ? number_cell(duration(last.frame_ms / 1e3), last.frame_ms)
                                      : number_cell("–", kNone));
    cells.push_back(last.memory_bytes > 0 ? bytes_cell(last.memory_bytes) : number_cell("–", kNone));
    out["rows"].push_back(std::move(line));
  }
  return out;
}

json sheet_table(const Sheet& sheet) {
  json out = table({});
  for (const auto& text : sheet.heads) out["heads"].push_back(head(text));
  for (const auto& texts : sheet.rows) {
    json line = row(texts.empty() ? "" : texts.front(), "");
    for (std::size_t c = 1; c < texts.size(); ++c) line["cells"].push_back(text_cell(texts[c], "n"));
    out["rows"].push_back(std::move(line));
  }
  return out;
}

json cost_table(const Report& report, const std::vector<ArmView>& arms) {
  json out = table({head("Arm"), head("Round"), head("Pixels", "labelled until then"),
                    head("Of pool", "as a share of the pool"), head("Regions"), head("Sent"), head("mIoU")});
  for (const ArmView& view : arms)
    for (const Round& round : view.arm->rounds) {
      if (round.labelled_pixels == 0 && round.bytes_sent == 0) continue;
      json line = row(view.title, view.colour);
      line["cells"] = {
          number_cell(std::to_string(round.round), round.round),
          count_cell(round.labelled_pixels),
          share_cell(static_cast<double>(round.labelled_pixels), static_cast<double>(report.pool_pixels)),
          count_cell(round.regions),
          bytes_cell(round.bytes_sent),
          points_cell(round.miou)};
      out["rows"].push_back(std::move(line));
    }
  return out;
}

json classes_table(const Report& report, const std::vector<ArmView>& arms) {
  const Arm* choice = main_arm(report);
  json out = arms_as_columns("Class", arms);
  std::vector<const Arm*> compared;
  for (const Role role : {Role::chance, Role::start})
    if (const Arm* other = find_arm(report, role); choice && other && other != choice) {
      compared.push_back(other);
      out["heads"].push_back(head(title_of(*choice) + " − " + title_of(*other), "difference in points"));
    }
  for (const ClassView& name : class_views(report)) {
    json line = row(name.name, name.colour);
    for (const ArmView& view : arms) line["cells"].push_back(points_cell(iou_of(view.arm, name.name)));
    for (const Arm* other : compared)
      line["cells"].push_back(gap_cell(iou_of(choice, name.name) - iou_of(other, name.name)));
    out["rows"].push_back(std::move(line));
  }
  return out;
}

json time_table(const std::vector<ArmView>& arms) {
  std::map<std::string, std::map<const Arm*, double>> stages;
  for (const ArmView& view : arms)
    for (const Round& round : view.arm->rounds)
      for (const auto& [stage, seconds] : round.seconds)
        if (std::isfinite(seconds)) stages[stage][view.arm] += seconds;
  json out = arms_as_columns("Stage", arms);
  for (const auto& [stage, by_arm] : stages) {
    json line = row(stage, "");
    for (const ArmView& view : arms) {
      const auto found = by_arm.find(view.arm);
      const double seconds = found == by_arm.end() ? kNone : found->second;
      line["cells"].push_back(number_cell(duration(seconds), seconds));
    }
    out["rows"].push_back(std::move(line));
  }
  return out;
}

json guard_table(const std::vector<ArmView>& arms) {
  json out = table({head("Arm"), head("Round"), head("Decision"), head("Why")});
  for (const ArmView& view : arms)
    for (const Round& round : view.arm->rounds) {
      if (round.guard == Guard::none) continue;
      json line = row(view.title, view.colour);
      line["cells"] = {
          number_cell(std::to_string(round.round), round.round),
          round.guard == Guard::promoted ? text_cell("promoted", "up") : text_cell("rolled back", "down"),
          text_cell(round.guard_note)};
      out["rows"].push_back(std::move(line));
    }
  return out;
}

}  // namespace driftloop::daemon
