#include "daemon/bench/offline_options.h"

#include <algorithm>
#include <set>

#include "config/check.h"
#include "daemon/bench/arm_table.h"

namespace driftloop::daemon {

void describe(config::Fields& f, RunOptions& o) {
  f.field("title", o.title,
          "title of the report, for people; the report adds the data sets, rounds and budget");
  f.field("source", o.source, "labelled data set that is learned first, kind:argument");
  f.field("source_split", o.source_split, "part of the source, as train; empty = its default one");
  f.field(
      "target", o.target,
      "data set to adapt to: its images are the pool, its labels go to the oracle alone, which answers for "
      "the lab");
  f.field("target_split", o.target_split, "part of the target; empty = its default one");
  f.field("target_name", o.target_name, "what the report calls the target; empty = made from its name");
  f.field("eval", o.eval, "labelled data set that every arm is scored on after each round");
  f.field("eval_split", o.eval_split, "part of that data set; empty = its default one");
  f.field("start", o.start,
          "published weights that the warm-up begins with: a file (.safetensors, .pth) or a name as "
          "efficientnet_lite0; empty = from nothing");
  f.field("warmup_rate", o.warmup_rate, {0, 1}, "learning rate of the warm-up; 0 = that of the rounds");
  f.field("warmup_steps", o.warmup_steps, {1, 10'000'000},
          "supervised steps on the source before the first round; every arm starts from there");
  f.list("rounds", o.rounds,
         "what is asked for when, and how long is learnt, by every arm; an arm of another strategy changes "
         "that alone");
  f.gone("steps_per_round", "each round says it for itself, as rounds: [{times: 3, steps: 80}]");
  f.field("arms", o.arms,
          "the ways of running the loop that are compared; driftloop bench --help lists them");
  f.field("jobs", o.jobs, {1, 256}, "arms run side by side, as processes");
  f.section("evaluation", o.evaluation, "how the arms are scored");
  f.section("engine", o.engine, "settings of the learner");
}

adapt::EngineOptions warmup_options(const RunOptions& run) {
  adapt::EngineOptions options = run.engine;
  options.selftrain.weight = 0;
  options.train.batch_source += options.train.batch_target;  // a step of as many images as an arm's
  options.train.horizon_steps = run.warmup_steps;
  options.train.freeze.clear();  // of what the source has not been learned with
  if (run.warmup_rate > 0) options.train.rate = run.warmup_rate;
  options.threads = run.engine.threads * run.jobs;  // the arms' share: nothing runs beside it
  return options;
}

RunOptions arm_options(const RunOptions& run, const std::string& arm) {
  RunOptions options = run;
  options.engine.train.horizon_steps = static_cast<int>(steps_of(run.rounds).value());
  arm_entry(arm).change(options);
  return options;
}

std::vector<std::vector<std::string>> trainings(const RunOptions& run) {
  std::vector<std::vector<std::string>> groups;
  std::vector<std::string> steps_of_group;
  for (const auto& arm : run.arms) {
    RunOptions own = arm_options(run, arm);
    if (!own.engine.guard.enabled) own.engine.norm_frames = 0;
    const std::string steps = config::to_yaml(own, config::Comments::none);
    const auto same = std::find(steps_of_group.begin(), steps_of_group.end(), steps);
    if (same == steps_of_group.end()) {
      steps_of_group.push_back(steps);
      groups.push_back({arm});
    } else {
      groups[static_cast<std::size_t>(same - steps_of_group.begin())].push_back(arm);
    }
  }
  return groups;
}

std::string own_arm(const RunOptions& run) {
  const std::string strategy = own_strategy(run.rounds);
  return strategy.empty() ? kPlanArm : strategy;
}

void check_run(const RunOptions& run, const config::Places& places) {
  std::set<std::string> named;
  for (const auto& arm : run.arms)
    if (!named.insert(arm_entry(arm).name).second) {
      const std::string place = places.of("arms");
      throw Error((place.empty() ? "" : place + ": ") + "arms: '" + arm + "' is there twice");
    }
  for (const auto& problem : plan_problems(run.rounds, PlanOf::benchmark, "rounds")) {
    const std::string place = places.of(problem.what);
    throw Error((place.empty() ? "" : place + ": ") + problem.text);
  }
}

std::vector<PlannedStage> planned_stages(const RunOptions& run) {
  // Seconds of EfficientNet-Lite0 on two cores with AVX2: the warm-up on both, then two arms side by side.
  constexpr double kWarmupMegapixel = 2.3, kArmMegapixel = 1.7, kPictures = 0.5;
  const adapt::EngineOptions& engine = run.engine;
  const double step_megapixels = 1e-6 * (engine.train.batch_source + engine.train.batch_target) *
                                 engine.input.crop_width_px * engine.input.crop_height_px;
  return {
      {"warm-up", static_cast<double>(run.warmup_steps), kWarmupMegapixel * step_megapixels},
      {"arms", static_cast<double>(trainings(run).size()) * static_cast<double>(steps_of(run.rounds).value()),
       kArmMegapixel * step_megapixels},
      {"pictures", 6, kPictures}};
}

}  // namespace driftloop::daemon
