#include "daemon/bench/offline_options.h"

#include <algorithm>
#include <set>

#include "adapt/data/dataset.h"
#include "config/check.h"

namespace driftloop::daemon {

void describe(config::Fields& f, PublishedResult& o) {
  f.field("method", o.method, "who published it, and of which net");
  f.field("miou_percent", o.miou_percent, {0, 100}, "the mIoU that it reports, %");
  f.field("label_space", o.label_space, "over which classes; empty = those of the run");
}

void describe(config::Fields& f, RunOptions& o) {
  f.field("title", o.title,
          "title of the report, for people; the report adds the data sets, rounds and budget");
  f.field("data_root", o.data_root,
          "folder that the data sets' own folders lie in, unless they begin with /; empty = the current one");
  f.field("source", o.source,
          "labelled data set that is learned first, kind:argument; empty = there is none, the warm-up is "
          "`start` alone");
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
  f.field(
      "warmup_steps", o.warmup_steps, {0, 10'000'000},
      "supervised steps on the source before the first round; every arm starts from there; 0 = from `start` "
      "as it is");
  f.list("rounds", o.rounds,
         "what is asked for when, and how long is learnt, by every arm; an arm of another strategy changes "
         "that alone");
  f.gone("steps_per_round", "each round says it for itself, as rounds: [{times: 3, steps: 80}]");
  f.field("arms", o.arms,
          "the ways of running the loop that are compared; driftloop bench --help lists them");
  f.list("variants", o.variants, "arms of the run's own: one of the table's with other rounds or settings");
  f.list("published", o.published, "results of papers at this budget, for driftloop bench table");
  f.field("jobs", o.jobs, {1, 256}, "arms run side by side, as processes");
  f.field("save_seconds", o.save_seconds, {0, 86'400},
          "a training's state is saved at least so often, beside each round's end and each stop: what a kill "
          "costs at most");
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
  arm_of(run, arm).change(options);
  options.engine.train.horizon_steps = static_cast<int>(steps_of(options.rounds).value());
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
  const auto fail = [&](const std::string& what, const std::string& text) {
    const std::string place = places.of(what);
    throw Error((place.empty() ? "" : place + ": ") + text);
  };
  Findings problems = plan_problems(run.rounds, PlanOf::benchmark, "rounds");
  const auto of_variants = variant_problems(run, "variants");
  problems.insert(problems.end(), of_variants.begin(), of_variants.end());
  for (const auto& problem : problems) fail(problem.what, problem.text);
  if (run.source.empty()) {
    if (run.warmup_steps > 0)
      fail("warmup_steps", "warmup_steps is " + std::to_string(run.warmup_steps) +
                               " and there is no source to warm up on: set it to 0, or name a source");
    for (const auto& arm : run.arms) {
      const auto& train = arm_options(run, arm).engine.train;
      if (train.batch_source > 0)
        fail("source", "the arm '" + arm + "' learns from " + std::to_string(train.batch_source) +
                           " source images a step (engine.train.batch_source) and source is empty");
    }
  }
  for (const auto& arm : run.arms)
    if (!named.insert(arm_of(run, arm).name).second) fail("arms", "arms: '" + arm + "' is there twice");
}

RunOptions with_data_placed(RunOptions run) {
  if (run.data_root.empty()) return run;
  for (auto* spec : {&run.source, &run.target, &run.eval}) *spec = adapt::spec_below(*spec, run.data_root);
  run.data_root.clear();
  return run;
}

std::vector<PlannedStage> planned_stages(const RunOptions& run) {
  // Seconds of EfficientNet-Lite0 on two cores with AVX2: the warm-up on both, then two arms side by side.
  constexpr double kWarmupMegapixel = 2.3, kArmMegapixel = 1.7, kPictures = 0.5;
  const adapt::EngineOptions& engine = run.engine;
  const double step_megapixels = 1e-6 * (engine.train.batch_source + engine.train.batch_target) *
                                 engine.input.crop_width_px * engine.input.crop_height_px;
  double steps = 0;
  for (const auto& arms : trainings(run))
    steps += static_cast<double>(steps_of(arm_options(run, arms.front()).rounds).value());
  return {{"warm-up", static_cast<double>(run.warmup_steps), kWarmupMegapixel * step_megapixels},
          {"arms", steps, kArmMegapixel * step_megapixels},
          {"pictures", 6, kPictures}};
}

}  // namespace driftloop::daemon
