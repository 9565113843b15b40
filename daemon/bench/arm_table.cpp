// Every arm that is compared: to add one, write a line here. The acquisition strategies follow by themselves.
#include "daemon/bench/arm_table.h"

#include <algorithm>
#include <array>

#include "adapt/acquisition/options.h"
#include "config/name_table.h"
#include "daemon/bench/offline_options.h"

namespace driftloop::daemon {
namespace {

void ask_for_nothing(RoundOptions& round) {
  round.budget = {.regions = 0};
}
void ask_nobody(RunOptions& run) {
  std::for_each(run.rounds.begin(), run.rounds.end(), ask_for_nothing);
  run.engine.guard.enabled = false;  // it would hide how far an arm falls that it should be seen falling
}
void learn_from_source_alone(RunOptions& run) {
  auto& engine = run.engine;
  ask_nobody(run);
  engine.selftrain.weight = 0;
  engine.train.batch_source += engine.train.batch_target;  // as many images a step as the others
  engine.train.batch_target = 0;
}
void take_target_statistics(RunOptions& run) {
  constexpr int kFrames = 96;
  learn_from_source_alone(run);
  run.engine.norm_frames = kFrames;
}
void learn_without_labels(RunOptions& run) {
  ask_nobody(run);
  run.engine.selftrain.before_labels = true;
}
/// Rounds that have options of the strategy keep them.
void choose_by(RunOptions& run, const std::string& strategy) {
  for (auto& round : run.rounds)
    if (round.strategy.name() != strategy) round.strategy = config::Chosen(strategy);
}
void choose_by_lot(RunOptions& run) {
  choose_by(run, "random");
}
void learn_from_target_alone(RunOptions& run) {
  auto& engine = run.engine;
  choose_by_lot(run);
  engine.train.batch_target += engine.train.batch_source;  // as many images a step as the others
  engine.train.batch_source = 0;
}
/// Every pixel of the pool, in the first round.
void ask_for_everything(RunOptions& run) {
  ask_nobody(run);
  RoundOptions& first = run.rounds.front();
  RoundOptions rest = first;
  rest.times = first.times.value() - 1;
  first.times = 1;
  first.strategy = config::Chosen("image_random");
  first.budget = {};
  if (rest.times > 0) run.rounds.insert(run.rounds.begin() + 1, rest);
}
void keep_the_plan(RunOptions&) {}

struct Control {
  const char *name, *title, *explanation;
  Role role;
  void (*change)(RunOptions&);
};
constexpr std::array kControls{
    Control{"source_only", "source only",
            "Goes on learning from the source data alone, for as many steps, and never from the target: what "
            "every other arm is measured against.",
            Role::start, learn_from_source_alone},
    Control{
        "adabn", "target statistics",
        "As source only, and the statistics of its batch norm are taken anew on the target's images: what "
        "costs neither labels nor training.",
        Role::control, take_target_statistics},
    Control{"self_training", "self-training alone",
            "Learns from its own confident predictions on the target, without any human label.", Role::alone,
            learn_without_labels},
    Control{"random", "random regions",
            "The same loop and budget, but the regions to label are drawn by lot: the control that a "
            "selection has to beat.",
            Role::chance, choose_by_lot},
    Control{
        "no_source", "random, no source",
        "The same regions drawn by lot, learnt from the target's labels alone: what the source data is still "
        "worth after the warm-up.",
        Role::control, learn_from_target_alone},
    Control{"full", "full supervision", "Every pixel of the pool is labelled: the ceiling for this net.",
            Role::ceiling, ask_for_everything},
    Control{kPlanArm, "the plan",
            "The rounds as they are written, each by its own strategy, where they have several.",
            Role::choice, keep_the_plan},
};

std::vector<ArmEntry> all_arms() {
  std::vector<ArmEntry> arms;
  for (const Control& c : kControls) arms.push_back({c.name, c.title, c.explanation, c.role, c.change});
  const std::size_t controls = arms.size();
  for (const config::Choice& strategy : adapt::strategy_choices()) {
    const std::string name(strategy.name);
    const auto last = arms.begin() + static_cast<std::ptrdiff_t>(controls);
    if (std::any_of(arms.begin(), last, [&](const ArmEntry& arm) { return arm.name == name; })) continue;
    arms.push_back({name, in_words(name), "Asks for " + std::string(strategy.help) + '.', Role::choice,
                    [name](RunOptions& run) { choose_by(run, name); }});
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

std::string in_words(std::string name) {
  std::replace(name.begin(), name.end(), '_', ' ');
  return name;
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
