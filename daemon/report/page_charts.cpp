#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "daemon/report/chart.h"
#include "daemon/report/format.h"
#include "daemon/report/page_view.h"

namespace driftloop::daemon {
namespace {

std::string percent_tick(double value) {
  return compact(value) + " %";
}

std::size_t measured(const Arm& arm) {
  return static_cast<std::size_t>(std::count_if(arm.rounds.begin(), arm.rounds.end(),
                                                [](const Round& r) { return std::isfinite(r.miou); }));
}

/// An arm with a single measurement, or the ceiling, is a level to compare with, not a course.
bool is_level(const Arm& arm) {
  return arm.role == Role::ceiling || measured(arm) == 1;
}

Line line_of(const ArmView& view) {
  Line line{view.title + ' ' + points(final_miou(*view.arm)), view.colour, Line::Look::course, {}};
  if (view.stands_out) line.look = Line::Look::main;
  if (is_level(*view.arm)) line.look = Line::Look::level;
  return line;
}

Line level_of(const ArmView& view, double from, double to) {
  Line line = line_of(view);
  line.look = Line::Look::level;
  const double miou = 100 * final_miou(*view.arm);
  line.points = {{from, miou, {}}, {to, miou, {}}};
  return line;
}

template <class Cost>
std::string cost_chart(const std::vector<ArmView>& arms, const char* label, const std::string& axis,
                       const Cost& cost, const std::function<std::string(double)>& text) {
  double most = 0;
  for (const ArmView& view : arms)
    if (view.arm->role != Role::ceiling)
      for (const Round& round : view.arm->rounds) most = std::max(most, cost(round));
  if (most <= 0) return {};
  LineChart chart{label, axis, "mIoU", {}, text, percent_tick, LineChart::Steps::any, 560, 320};
  for (const ArmView& view : arms) {
    const auto& rounds = view.arm->rounds;
    if (view.arm->role == Role::ceiling) {
      chart.lines.push_back(level_of(view, 0, most));
    } else if (std::any_of(rounds.begin(), rounds.end(), [&](const Round& r) { return cost(r) > 0; })) {
      Line line = line_of(view);
      for (const Round& round : rounds)
        line.points.push_back(
            {cost(round), 100 * round.miou, points(round.miou) + " % at " + text(cost(round))});
      chart.lines.push_back(line);
    }
  }
  return line_chart(chart);
}

std::vector<std::string> stages_of(const std::vector<ArmView>& arms) {
  std::set<std::string> stages;
  for (const ArmView& view : arms)
    for (const Round& round : view.arm->rounds)
      for (const auto& [stage, seconds] : round.seconds) stages.insert(stage);
  return {stages.begin(), stages.end()};
}

std::string stage_colour(std::size_t stage) {
  constexpr std::array kColours = {"#0072b2", "#e69f00", "#009e73", "#cc79a7",
                                   "#56b4e9", "#d55e00", "#c9b92e", "#7f8a97"};
  return kColours[stage % kColours.size()];
}

std::string spaced(std::string text) {
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

}  // namespace

std::string rounds_chart(const std::vector<ArmView>& arms) {
  int first = std::numeric_limits<int>::max(), last = 0;
  for (const ArmView& view : arms)
    for (const Round& round : view.arm->rounds) {
      first = std::min(first, round.round);
      last = std::max(last, round.round);
    }
  LineChart chart{"mIoU per round, a line per arm", "round", "mIoU", {}, compact, percent_tick,
                  LineChart::Steps::whole};
  for (const ArmView& view : arms) {
    if (is_level(*view.arm)) {
      chart.lines.push_back(level_of(view, first, std::max(last, first + 1)));
      continue;
    }
    Line line = line_of(view);
    for (const Round& round : view.arm->rounds)
      line.points.push_back({static_cast<double>(round.round), 100 * round.miou,
                             "round " + std::to_string(round.round) + ": " + points(round.miou) + " %"});
    chart.lines.push_back(line);
  }
  return line_chart(chart);
}

std::string pixels_chart(const Report& report, const std::vector<ArmView>& arms) {
  const auto pool = static_cast<double>(report.pool_pixels);
  return cost_chart(
      arms, "mIoU against labelled pixels", pool > 0 ? "labelled pixels, % of the pool" : "labelled pixels",
      [&](const Round& round) {
        const auto pixels = static_cast<double>(round.labelled_pixels);
        return pool > 0 ? 100 * pixels / pool : pixels;
      },
      [&](double value) {
        return pool > 0 ? percent(value / 100) : count(static_cast<std::int64_t>(value));
      });
}

std::string bytes_chart(const std::vector<ArmView>& arms) {
  return cost_chart(
      arms, "mIoU against bytes sent", "sent by the vehicle",
      [](const Round& round) { return static_cast<double>(round.bytes_sent); },
      [](double value) { return bytes(static_cast<std::int64_t>(value)); });
}

std::string classes_chart(const Report& report, const std::vector<ArmView>& arms) {
  BarChart chart{"IoU per class, a bar per arm", {}, {}, [](double value) { return compact(value) + " %"; }};
  const std::vector<ClassView> classes = class_views(report);
  for (const ClassView& view : classes) chart.groups.push_back(view.name);
  for (const ArmView& view : arms) {
    const Round* last = last_measured(*view.arm);
    if (!last) continue;
    Bars bars{view.title, view.colour, {}};
    for (const ClassView& view_of_class : classes) {
      const auto iou = last->per_class_iou.find(view_of_class.name);
      const bool known = iou != last->per_class_iou.end() && std::isfinite(iou->second);
      bars.values.push_back(known ? std::round(1000 * iou->second) / 10
                                  : std::numeric_limits<double>::quiet_NaN());
    }
    chart.series.push_back(std::move(bars));
  }
  return group_chart(chart);
}

std::string time_chart(const std::vector<ArmView>& arms) {
  BarChart chart{"seconds per stage, a bar per arm", {}, {}, [](double value) { return duration(value); }};
  for (const ArmView& view : arms) chart.groups.push_back(view.title);
  const std::vector<std::string> stages = stages_of(arms);
  for (std::size_t stage = 0; stage < stages.size(); ++stage) {
    Bars bars{spaced(stages[stage]), stage_colour(stage), {}};
    for (const ArmView& view : arms) {
      double sum = 0;
      for (const Round& round : view.arm->rounds)
        if (const auto spent = round.seconds.find(stages[stage]);
            spent != round.seconds.end() && std::isfinite(spent->second))
          sum += spent->second;
      bars.values.push_back(sum);
    }
    chart.series.push_back(std::move(bars));
  }
  return stack_chart(chart);
}

nlohmann::json stage_legend(const std::vector<ArmView>& arms) {
  nlohmann::json legend = nlohmann::json::array();
  const std::vector<std::string> stages = stages_of(arms);
  for (std::size_t stage = 0; stage < stages.size(); ++stage)
    legend.push_back({{"title", spaced(stages[stage])}, {"colour", stage_colour(stage)}});
  return legend;
}

}  // namespace driftloop::daemon
