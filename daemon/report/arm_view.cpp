#include "daemon/report/arm_view.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <set>

#include "config/label_space.h"

namespace driftloop::daemon {
namespace {

struct ArmText {
  std::string_view name, title, explanation;
};

constexpr std::array kControls = {
    std::pair{Role::source_only,
              ArmText{"source_only", "source only",
                      "Trained on the source data alone and never adapted: where one starts."}},
    std::pair{Role::self_training,
              ArmText{"self_training", "self-training alone",
                      "Learns from its own confident predictions on the target, without any human label."}},
    std::pair{Role::random,
              ArmText{"random", "random regions",
                      "The same loop and budget, but the regions to label are drawn by lot: the "
                      "control that a selection has to beat."}},
    std::pair{Role::full, ArmText{"full", "full supervision",
                                  "Every pixel of the pool is labelled: the ceiling for this net."}}};

constexpr std::array kStrategies = {
    ArmText{"cover", "cover",
            "Asks for typical regions of every kind of surface not labelled yet, so that the whole pool is "
            "covered."},
    ArmText{"ripu", "ripu",
            "Asks for regions where the net is uncertain and where many predicted classes meet."},
    ArmText{"entropy", "entropy", "Asks for the regions where the prediction is most uncertain (entropy)."},
    ArmText{"margin", "margin",
            "Asks for the regions where the two likeliest classes are closest to each other."},
    ArmText{"image_entropy", "image entropy",
            "Asks for whole images, those with the most uncertain prediction first."},
    ArmText{"diverse", "diverse", "Asks for uncertain regions of frames unlike those labelled already."}};

Role role_of(std::string_view name) {
  for (const auto& [role, text] : kControls)
    if (text.name == name) return role;
  return Role::strategy;
}

constexpr int kStrategyColours = 4;  // --arm-strategy-0 .. 3 in page.css

ArmView view_of(const Arm& arm, int strategies_before) {
  const Role role = role_of(arm.name);
  ArmView view{&arm, role, arm.name, "Regions chosen by the strategy of this name.", {}};
  for (const auto& [control, text] : kControls)
    if (control == role) {
      view.title = text.title;
      view.explanation = text.explanation;
      view.colour = "--arm-" + std::string(text.name);
    }
  if (role != Role::strategy) return view;
  view.colour = "--arm-strategy-" + std::to_string(strategies_before % kStrategyColours);
  for (const ArmText& text : kStrategies)
    if (text.name == arm.name) {
      view.title = text.title;
      view.explanation = text.explanation;
    }
  return view;
}

std::string hex_colour(std::size_t train_id) {
  const auto& rgb = config::class_colours_rgb()[train_id];
  std::array<char, 8> text{};
  std::snprintf(text.data(), text.size(), "#%02x%02x%02x", rgb[0], rgb[1], rgb[2]);
  return text.data();
}

}  // namespace

const Round* last_measured(const Arm& arm) {
  for (auto round = arm.rounds.rbegin(); round != arm.rounds.rend(); ++round)
    if (std::isfinite(round->miou)) return &*round;
  return nullptr;
}

double final_miou(const Arm& arm) {
  const Round* round = last_measured(arm);
  return round ? round->miou : std::numeric_limits<double>::quiet_NaN();
}

std::vector<ArmView> arm_views(const Report& report) {
  std::vector<ArmView> views;
  int strategies = 0;
  for (const Arm& arm : report.arms) {
    views.push_back(view_of(arm, strategies));
    if (views.back().role == Role::strategy) ++strategies;
  }
  return views;
}

const Arm* find_arm(const Report& report, Role role) {
  const Arm* first = nullptr;
  for (const Arm& arm : report.arms) {
    if (role_of(arm.name) != role || !last_measured(arm)) continue;
    if (arm.name == report.strategy) return &arm;
    if (!first) first = &arm;
  }
  return first;
}

std::vector<std::string> missing_controls(const Report& report) {
  std::vector<std::string> missing;
  for (const auto& [role, text] : kControls)
    if (!find_arm(report, role)) missing.emplace_back(text.title);
  return missing;
}

std::vector<ClassView> class_views(const Report& report) {
  std::set<std::string> measured;
  for (const Arm& arm : report.arms)
    for (const Round& round : arm.rounds)
      for (const auto& [name, iou] : round.per_class_iou) measured.insert(name);
  if (measured.empty()) {
    const auto spaces = config::label_space_names();
    const bool known = std::find(spaces.begin(), spaces.end(), report.label_space) != spaces.end();
    for (int id : config::label_space(known ? report.label_space : "cityscapes19").scored)
      measured.emplace(config::class_names()[static_cast<std::size_t>(id)]);
  }
  std::vector<ClassView> views;
  for (std::size_t id = 0; id < config::class_names().size(); ++id)
    if (measured.erase(std::string(config::class_names()[id])) > 0)
      views.push_back({std::string(config::class_names()[id]), hex_colour(id)});
  for (const std::string& name : measured) views.push_back({name, {}});
  return views;
}

}  // namespace driftloop::daemon
