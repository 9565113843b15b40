// Every arm that is compared: to add one, write a line here. The acquisition strategies follow by themselves.
#include "daemon/bench/arm_table.h"

#include <algorithm>
#include <array>

#include "adapt/acquisition/options.h"
#include "config/name_table.h"

namespace driftloop::daemon {
namespace {
using adapt::EngineOptions;

// Controls have no guard: it would hide how far an arm falls that it should be seen falling.
void learn_from_source_alone(EngineOptions& o) {
  o.selftrain.weight = 0;
  o.train.batch_source += o.train.batch_target;  // as many images a step as the others
  o.train.batch_target = 0;
  o.guard.enabled = false;
}
void take_target_statistics(EngineOptions& o) {
  constexpr int kFrames = 96;
  learn_from_source_alone(o);
  o.norm_frames = kFrames;
}
void learn_without_labels(EngineOptions& o) {
  o.selftrain.before_labels = true;
  o.guard.enabled = false;
}
/// A run that has options of the strategy keeps them.
void choose_by(EngineOptions& o, const std::string& strategy) {
  if (o.acquisition.strategy.name() != strategy) o.acquisition.strategy = config::Chosen(strategy);
}
void choose_by_lot(EngineOptions& o) {
  choose_by(o, "random");
}
/// Every pixel of the pool, in the first round.
void ask_for_everything(EngineOptions& o) {
  o.acquisition.strategy = config::Chosen("image_random");
  o.acquisition.budget = {};
  o.guard.enabled = false;
}

struct Control {
  const char *name, *title, *explanation;
  Role role;
  Labels labels;
  void (*change)(EngineOptions&);
};
constexpr std::array kControls{
    Control{"source_only", "source only",
            "Goes on learning from the source data alone, for as many steps, and never from the target: what "
            "every other arm is measured against.",
            Role::start, Labels::none, learn_from_source_alone},
    Control{
        "adabn", "target statistics",
        "As source only, and the statistics of its batch norm are taken anew on the target's images: what "
        "costs neither labels nor training.",
        Role::control, Labels::none, take_target_statistics},
    Control{"self_training", "self-training alone",
            "Learns from its own confident predictions on the target, without any human label.", Role::alone,
            Labels::none, learn_without_labels},
    Control{"random", "random regions",
            "The same loop and budget, but the regions to label are drawn by lot: the control that a "
            "selection has to beat.",
            Role::chance, Labels::asked, choose_by_lot},
    Control{"full", "full supervision", "Every pixel of the pool is labelled: the ceiling for this net.",
            Role::ceiling, Labels::asked, ask_for_everything},
};

/// "image_entropy" -> "image entropy".
std::string spaced(std::string text) {
  std::replace(text.begin(), text.end(), '_', ' ');
  return text;
}

std::vector<ArmEntry> all_arms() {
  std::vector<ArmEntry> arms;
  for (const Control& c : kControls)
    arms.push_back({c.name, c.title, c.explanation, c.role, c.labels, c.change});
  const std::size_t controls = arms.size();
  for (const config::Choice& strategy : adapt::strategy_choices()) {
    const std::string name(strategy.name);
    const auto last = arms.begin() + static_cast<std::ptrdiff_t>(controls);
    if (std::any_of(arms.begin(), last, [&](const ArmEntry& arm) { return arm.name == name; })) continue;
    arms.push_back({name, spaced(name), "Asks for " + std::string(strategy.help) + '.', Role::choice,
                    Labels::asked, [name](EngineOptions& o) { choose_by(o, name); }});
  }
  return arms;
}

}  // namespace

const std::vector<ArmEntry>& arm_table() {
  static const std::vector<ArmEntry> arms = all_arms();
  return arms;
}

const ArmEntry& arm_entry(std::string_view name) {
  std::vector<std::string> known;
  for (const ArmEntry& arm : arm_table()) {
    if (arm.name == name) return arm;
    known.push_back(arm.name);
  }
  config::throw_unknown_name("arm", name, known);
}

Arm empty_arm(std::string_view name) {
  const ArmEntry& entry = arm_entry(name);
  Arm arm;
  arm.name = entry.name;
  arm.title = entry.title;
  arm.explanation = entry.explanation;
  arm.role = entry.role;
  return arm;
}

std::string arm_help() {
  std::size_t width = 0;
  for (const ArmEntry& arm : arm_table()) width = std::max(width, arm.name.size());
  std::string text = "Arms:\n";
  for (const ArmEntry& arm : arm_table())
    text += "  " + arm.name + std::string(width + 2 - arm.name.size(), ' ') + arm.explanation + '\n';
  return text;
}

}  // namespace driftloop::daemon
