#include "daemon/bench/run_words.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <optional>
#include <set>
#include <vector>

#include "daemon/report/format.h"

namespace driftloop::daemon {
namespace {

std::string rounds(const RunOptions& run) {
  const auto count = rounds_of(run.rounds).value_or(0);
  return std::to_string(count) + (count == 1 ? " round" : " rounds");
}

std::string counted(double number, const std::string& unit) {
  const auto count = std::llround(number);
  return std::to_string(count) + ' ' + unit + (count == 1 ? "" : "s");
}

constexpr std::size_t kUnits = 6;
std::array<std::optional<double>, kUnits> limits_of(const adapt::BudgetOptions& b) {
  return {b.share, b.pixels, b.regions, b.images, b.pixels_per_frame, b.clicks};
}
std::string in_unit(std::size_t unit, double number, const std::string& pixels_of) {
  if (unit == 0) return percent(std::min(1.0, number)) + ' ' + pixels_of;
  if (unit == 4) return counted(number, "pixel") + " of each frame";
  return counted(number, unit == 1 ? "pixel" : unit == 2 ? "region" : unit == 3 ? "image" : "click");
}

/// Of all rounds together: "0.3 % of the pixels", "at most 150 regions, 2 images".
std::string asked_in_words(const RunOptions& run, const std::string& pixels_of) {
  std::array<double, kUnits> sum{};
  std::array<int, kUnits> entries{};
  int asking = 0;
  bool one_limit_each = true;
  for (const auto& round : run.rounds) {
    if (!asks(round)) continue;
    ++asking;
    const auto limits = limits_of(round.budget);
    for (std::size_t unit = 0; unit < kUnits; ++unit) {
      sum[unit] += limits[unit].value_or(0) * static_cast<double>(round.times.value_or(1));
      entries[unit] += limits[unit].has_value();
    }
    one_limit_each = one_limit_each && std::count(limits.begin(), limits.end(), std::nullopt) == kUnits - 1;
  }
  if (asking == 0) return "no labels";
  std::vector<std::string> parts;
  bool all_alike = true;
  for (std::size_t unit = 0; unit < kUnits; ++unit) {
    if (entries[unit] == 0) continue;
    parts.push_back(in_unit(unit, sum[unit], pixels_of));
    all_alike = all_alike && entries[unit] == asking;
  }
  if (parts.empty()) return "all " + pixels_of;
  if (!all_alike && !one_limit_each) return "budgets that differ from round to round";
  std::string text = all_alike && parts.size() > 1 ? "at most " : "";
  for (std::size_t i = 0; i < parts.size(); ++i)
    text += (i == 0 ? "" : all_alike ? ", " : " and ") + parts[i];
  return text;
}

/// ", regions of 8x8 px"; "" where the rounds differ.
std::string kind_in_words(const RunOptions& run) {
  std::set<std::optional<int>> sides;
  for (const auto& round : run.rounds)
    if (asks(round)) sides.insert(adapt::asked_side_px(round.strategy, run.engine.acquisition.region_px));
  if (sides.size() != 1) return {};
  const auto side = *sides.begin();
  if (!side) return ", whole images";
  if (*side == 1) return ", single pixels";
  return ", regions of " + std::to_string(*side) + 'x' + std::to_string(*side) + " px";
}

std::string steps_in_words(const RunOptions& run) {
  std::set<int> steps;
  for (const auto& round : run.rounds) steps.insert(round.steps);
  if (steps.size() == 1) return std::to_string(*steps.begin()) + " training steps a round";
  return std::to_string(steps_of(run.rounds).value_or(0)) + " training steps together";
}

}  // namespace

std::string words_of_dataset(const std::string& spec) {
  const auto colon = spec.find(':');
  if (colon == std::string::npos) return spec;
  const std::string kind = spec.substr(0, colon), argument = spec.substr(colon + 1);
  if (kind == "streetsim") return kind + ' ' + argument.substr(0, argument.find('?'));
  if (kind != "folder") return kind;
  const auto path = std::filesystem::path(argument).lexically_normal();
  return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

std::string title_in_words(const RunOptions& run) {
  const std::string from = words_of_dataset(run.source);
  std::string to = run.target_name.empty() ? words_of_dataset(run.target) : run.target_name;
  // "streetsim game → street": a kind that both share is said once.
  if (const auto space = from.find(' ');
      space != std::string::npos && to.starts_with(from.substr(0, space + 1)))
    to = to.substr(space + 1);
  return run.title + ": " + (from.empty() ? "" : from + " → ") + to + ", " + rounds(run) + ", " +
         asked_in_words(run, "of the pixels");
}

std::string budget_in_words(const RunOptions& run) {
  return asked_in_words(run, "of the pool's pixels") + " in " + rounds(run) + kind_in_words(run) + ", " +
         steps_in_words(run);
}

}  // namespace driftloop::daemon
