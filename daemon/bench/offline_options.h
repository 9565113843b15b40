// A benchmark run: which source, which target, which arms. The learner's own settings are
// adapt::EngineOptions, as on the vehicle.
#pragma once
#include <string>
#include <vector>

#include "adapt/eval/options.h"
#include "adapt/options.h"
#include "config/fields.h"
#include "config/layers.h"
#include "daemon/bench/arm_variant.h"
#include "daemon/round_plan.h"
#include "daemon/stage_plan.h"

namespace driftloop::daemon {

/// A result of a paper that the tables show beside the run's own.
struct PublishedResult {
  std::string method;
  double miou_percent = 0;
  std::string label_space;
};
void describe(config::Fields& f, PublishedResult& o);

struct RunOptions {
  std::string title = "driftloop benchmark";
  std::string data_root;
  std::string source = "streetsim:game?frames=300&width=256&height=144";
  std::string source_split;
  std::string target = "streetsim:street?frames=120&stride=4&width=256&height=144";
  std::string target_split;
  std::string target_name;
  std::string eval = "streetsim:street?frames=60&seed=1002&width=256&height=144";
  std::string eval_split;
  std::string start;
  double warmup_rate = 0;
  int warmup_steps = 240;
  RoundPlan rounds = {{.times = 3, .steps = 120, .budget = {.share = 0.0025}}};
  std::vector<std::string> arms = {"source_only", "self_training", "random", "cover", "full"};
  std::vector<ArmVariant> variants;
  std::vector<PublishedResult> published;
  int jobs = 2;
  double save_seconds = 600;
  adapt::EvalOptions evaluation;
  adapt::EngineOptions engine;
};
void describe(config::Fields& f, RunOptions& o);

/// With data_root before the data sets' own folders, where these are not absolute.
RunOptions with_data_placed(RunOptions run);

/// The stages of a run for its progress line, in the order in which they come, each in its own unit of work:
/// "warm-up" and "arms" in training steps, "pictures" in rows. The expected seconds are of the preset demo on
/// two cores; another machine or net is found out as it goes.
std::vector<PlannedStage> planned_stages(const RunOptions& run);
constexpr int kImagesPerStep = 15;  // that the net only looks at, in the time of a training step

/// The engine's settings in the warm-up.
adapt::EngineOptions warmup_options(const RunOptions& run);
/// The run as an arm does it: the arms differ in their learner's settings and their rounds alone. Throws
/// Error for an arm that there is not.
RunOptions arm_options(const RunOptions& run, const std::string& arm);
/// The arms of the run by the training that they share: where settings differ in nothing but the statistics
/// that a model is judged with (`norm_frames`, without a guard), the steps are the same and are done once.
/// Groups and arms in the order of the run.
std::vector<std::vector<std::string>> trainings(const RunOptions& run);
/// The arm that is the run as it is written, which the demo runs live and whose pictures are shown: the
/// strategy of the rounds where all have the same, else `plan`.
std::string own_arm(const RunOptions& run);

/// Throws Error with the place of the setting: arms that there are not, rounds that cannot work.
void check_run(const RunOptions& run, const config::Places& places);

}  // namespace driftloop::daemon
