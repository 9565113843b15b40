#include <algorithm>
#include <cmath>
#include <set>

#include "daemon/report/format.h"
#include "daemon/report/page_parts.h"

namespace driftloop::daemon {
namespace {

/// A cell that shows `text` and sorts by `value`.
std::string number_cell(const std::string& text, double value, const std::string& kind = "") {
  const std::string key = std::isfinite(value) ? " data-v=\"" + compact(value) + "\"" : "";
  return "<td class=\"n " + kind + "\"" + key + ">" + text + "</td>";
}

std::string points_cell(double value) {
  return number_cell(points(value), value);
}

std::string gap_cell(double value) {
  return number_cell(signed_points(value), value, value > 0.0005 ? "up" : value < -0.0005 ? "down" : "");
}

std::string count_cell(std::int64_t value) {
  return number_cell(count(value), static_cast<double>(value));
}

std::string head(const std::string& text, const std::string& title = "") {
  return "<th scope=\"col\"" + (title.empty() ? "" : " title=\"" + escape_html(title) + "\"") + ">" + text +
         "</th>";
}

std::string table(const std::string& heads, const std::string& rows) {
  return "<div class=\"scroll\"><table class=\"sortable\"><thead><tr>" + heads + "</tr></thead><tbody>\n" +
         rows + "</tbody></table></div>\n";
}

double iou_of(const Arm* arm, const std::string& name) {
  const Round* round = arm ? last_measured(*arm) : nullptr;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  if (!round) return nan;
  const auto found = round->per_class_iou.find(name);
  return found == round->per_class_iou.end() ? nan : found->second;
}

double total_seconds(const Arm& arm) {
  double total = std::numeric_limits<double>::quiet_NaN();
  for (const Round& round : arm.rounds)
    for (const auto& [stage, seconds] : round.seconds)
      if (std::isfinite(seconds)) total = std::isfinite(total) ? total + seconds : seconds;
  return total;
}

std::string share_cell(double part, double whole) {
  return whole > 0 && std::isfinite(part) ? number_cell(percent(part / whole), part / whole)
                                          : number_cell("–", std::numeric_limits<double>::quiet_NaN());
}

std::set<int> round_numbers(const std::vector<ArmView>& arms) {
  std::set<int> numbers;
  for (const ArmView& view : arms)
    for (const Round& round : view.arm->rounds) numbers.insert(round.round);
  return numbers;
}

bool any_frames(const std::vector<ArmView>& arms) {
  return std::any_of(arms.begin(), arms.end(), [](const ArmView& view) {
    return std::any_of(view.arm->rounds.begin(), view.arm->rounds.end(),
                       [](const Round& r) { return r.frames > 0; });
  });
}

std::string miou_cells(const Arm& arm, const std::set<int>& numbers) {
  std::string out;
  for (int number : numbers) {
    const auto found = std::find_if(arm.rounds.begin(), arm.rounds.end(),
                                    [&](const Round& round) { return round.round == number; });
    out += points_cell(found == arm.rounds.end() ? std::numeric_limits<double>::quiet_NaN() : found->miou);
  }
  return out;
}

}  // namespace

std::string swatch(std::string_view colour) {
  return "<i class=\"swatch\" style=\"background:" + escape_html(colour) + "\"></i>";
}

std::string arm_label(const ArmView& arm) {
  return swatch("var(" + arm.colour + ")") + escape_html(arm.title);
}

std::string arms_section(const std::vector<ArmView>& arms) {
  std::string out = "<dl class=\"arms\">\n";
  for (const ArmView& view : arms) {
    out += "<div><dt>" + arm_label(view) + "</dt><dd>" + escape_html(view.explanation);
    std::string settings;
    for (const auto& [key, value] : view.arm->settings.items())
      settings += (settings.empty() ? "" : ", ") + key + " = " +
                  value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    if (!settings.empty())
      out += " <span class=\"quiet\">Settings of its own: " + escape_html(settings) + ".</span>";
    if (!view.arm->weights.empty())
      out += "<span class=\"quiet model\">Model: <code>" + escape_html(view.arm->weights) + "</code></span>";
    if (!view.arm->error.empty())
      out += " <span class=\"down\">Did not finish: " + escape_html(view.arm->error) + "</span>";
    out += "</dd></div>\n";
  }
  return out + "</dl>\n";
}

std::string results_table(const Report& report, const std::vector<ArmView>& arms) {
  const std::set<int> numbers = round_numbers(arms);
  const bool frames = any_frames(arms);
  std::string heads = head("Arm");
  for (int number : numbers) heads += head("R" + std::to_string(number), "mIoU in % after this round");
  heads += head("Of full", "last mIoU as a share of full supervision");
  heads += head("Pixels", "labelled pixels") + head("Of pool", "labelled pixels as a share of the pool") +
           head("Regions", "labelled regions");
  if (frames) heads += head("Frames", "frames that hold a labelled region");
  heads += head("Sent") + head("Steps", "optimiser steps on the target") + head("Time");
  const Arm* full = find_arm(report, Role::full);
  std::string rows;
  for (const ArmView& view : arms) {
    const Round last = view.arm->rounds.empty() ? Round{} : view.arm->rounds.back();
    rows += "<tr><th scope=\"row\">" + arm_label(view) + "</th>" + miou_cells(*view.arm, numbers) +
            share_cell(final_miou(*view.arm), full ? final_miou(*full) : 0.0) +
            count_cell(last.labelled_pixels) +
            share_cell(static_cast<double>(last.labelled_pixels), static_cast<double>(report.pool_pixels)) +
            count_cell(last.regions);
    if (frames) rows += count_cell(last.frames);
    rows += number_cell(bytes(last.bytes_sent), static_cast<double>(last.bytes_sent)) +
            count_cell(last.steps) +
            number_cell(duration(total_seconds(*view.arm)), total_seconds(*view.arm)) + "</tr>\n";
  }
  return table(heads, rows);
}

std::string classes_table(const Report& report, const std::vector<ArmView>& arms) {
  const Arm* strategy = find_arm(report, Role::strategy);
  const Arm* source = find_arm(report, Role::source_only);
  const Arm* random = find_arm(report, Role::random);
  std::string heads = head("Class");
  for (const ArmView& view : arms) heads += head("<span class=\"narrow\">" + arm_label(view) + "</span>");
  if (strategy && random) heads += head(escape_html(strategy->name) + " − random");
  if (strategy && source) heads += head(escape_html(strategy->name) + " − source");
  std::string rows;
  for (const ClassView& name : class_views(report)) {
    rows += "<tr><th scope=\"row\">" + (name.colour.empty() ? "" : swatch(name.colour)) +
            escape_html(name.name) + "</th>";
    for (const ArmView& view : arms) rows += points_cell(iou_of(view.arm, name.name));
    if (strategy && random) rows += gap_cell(iou_of(strategy, name.name) - iou_of(random, name.name));
    if (strategy && source) rows += gap_cell(iou_of(strategy, name.name) - iou_of(source, name.name));
    rows += "</tr>\n";
  }
  return table(heads, rows);
}

std::string time_table(const std::vector<ArmView>& arms) {
  std::map<std::string, std::map<const Arm*, double>> stages;
  for (const ArmView& view : arms)
    for (const Round& round : view.arm->rounds)
      for (const auto& [stage, seconds] : round.seconds)
        if (std::isfinite(seconds)) stages[stage][view.arm] += seconds;
  if (stages.empty()) return {};
  std::string heads = head("Stage");
  for (const ArmView& view : arms) heads += head(arm_label(view));
  std::string rows;
  for (const auto& [stage, by_arm] : stages) {
    rows += "<tr><th scope=\"row\">" + escape_html(stage) + "</th>";
    for (const ArmView& view : arms) {
      const auto found = by_arm.find(view.arm);
      const double seconds = found == by_arm.end() ? std::numeric_limits<double>::quiet_NaN() : found->second;
      rows += number_cell(duration(seconds), seconds);
    }
    rows += "</tr>\n";
  }
  return table(heads, rows);
}

std::string guard_table(const std::vector<ArmView>& arms) {
  std::string rows;
  for (const ArmView& view : arms)
    for (const Round& round : view.arm->rounds)
      if (round.guard != Guard::none)
        rows += "<tr><th scope=\"row\">" + arm_label(view) + "</th>" +
                number_cell(std::to_string(round.round), round.round) +
                (round.guard == Guard::promoted ? "<td class=\"up\">promoted</td>"
                                                : "<td class=\"down\">rolled back</td>") +
                "<td>" + escape_html(round.guard_note) + "</td></tr>\n";
  if (rows.empty()) return {};
  return table(head("Arm") + head("Round") + head("Decision") + head("Why"), rows);
}

}  // namespace driftloop::daemon
