#include "daemon/bench/offline_options.h"

#include <algorithm>

#include "adapt/acquisition/options.h"
#include "config/name_table.h"

namespace driftloop::daemon {

void describe(config::Fields& f, RunOptions& o) {
  f.field("title", o.title, "title of the report, for people");
  f.field("source", o.source, "labelled data set that is learned first, kind:argument");
  f.field("source_split", o.source_split, "part of the source, as train; empty = its default one");
  f.field(
      "target", o.target,
      "data set to adapt to: its images are the pool, its labels go to the oracle alone, which answers for "
      "the lab");
  f.field("target_split", o.target_split, "part of the target; empty = its default one");
  f.field("eval", o.eval, "labelled data set that every arm is scored on after each round");
  f.field("eval_split", o.eval_split, "part of that data set; empty = its default one");
  f.field("warmup_steps", o.warmup_steps, {1, 10'000'000},
          "supervised steps on the source before the first round; every arm starts from there");
  f.field("rounds", o.rounds, {1, 1000}, "rounds of ask, merge, train, judge");
  f.field("steps_per_round", o.steps_per_round, {1, 10'000'000},
          "training steps a round, the same for every arm");
  f.field("arms", o.arms,
          "what is compared: source_only, self_training, random, full, or an acquisition strategy");
  f.field("jobs", o.jobs, {1, 256}, "arms run side by side, as processes");
  f.section("engine", o.engine, "settings of the learner");
}

adapt::EngineOptions warmup_options(const RunOptions& run) {
  adapt::EngineOptions options = run.engine;
  options.selftrain.weight = 0;
  options.train.horizon_steps = run.warmup_steps;
  options.threads = run.engine.threads * run.jobs;  // the arms' share: nothing runs beside it
  return options;
}

adapt::EngineOptions arm_options(const RunOptions& run, const std::string& arm) {
  adapt::EngineOptions options = run.engine;
  options.train.horizon_steps = run.rounds * run.steps_per_round;
  if (arm == "source_only") {
    options.selftrain.weight = 0;
    options.guard.enabled = false;
  } else if (arm == "self_training") {
    options.selftrain.before_labels = true;
    options.guard.enabled = false;
  } else if (arm == "full") {  // every pixel of the pool, in the first round
    options.acquisition.strategy = "image_random";
    options.acquisition.share_per_round = 1;
    options.acquisition.pixels_per_round = options.acquisition.regions_per_round =
        options.acquisition.pixels_per_frame = 0;
    options.guard.enabled = false;
  } else {
    options.acquisition.strategy = arm;
    std::vector<std::string> known = {"source_only", "self_training", "full"};
    for (const auto& name : adapt::strategy_names()) known.push_back(name);
    if (std::find(known.begin(), known.end(), arm) == known.end())
      config::throw_unknown_name("arm", arm, known);
  }
  return options;
}

bool asks_for_labels(const std::string& arm) {
  return arm != "source_only" && arm != "self_training";
}

std::vector<PlannedStage> planned_stages(const RunOptions& run, double arms) {
  constexpr double kWarmupStep = 0.05, kArmStep = 0.08, kPictures = 0.5;
  return {{"warm-up", static_cast<double>(run.warmup_steps), kWarmupStep},
          {"arms", arms * run.rounds * run.steps_per_round, kArmStep},
          {"pictures", 6, kPictures}};
}

}  // namespace driftloop::daemon
