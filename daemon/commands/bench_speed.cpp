// `driftloop bench speed`: what a training step of a preset costs on this device.
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>

#include "adapt/engine.h"
#include "config/check.h"
#include "config/layers.h"
#include "daemon/bench/oracle.h"
#include "daemon/commands/commands.h"
#include "daemon/progress.h"
#include "daemon/report/format.h"
#include "daemon/report/run_table.h"
#include "daemon/stopwatch.h"

namespace driftloop::daemon {
namespace {

constexpr int kPoolFrames = 4;

struct SpeedArguments {
  std::string preset;
  std::vector<std::string> sets;
  int steps = 10;
};

/// Rendered frames of the size that the preset trains on, in the place of its data sets.
RunOptions on_rendered_frames(RunOptions run) {
  const auto& input = run.engine.input;
  const int width = std::max({input.work_long_side_px, input.crop_width_px, 64});
  const int height = std::max({width / 2, input.crop_height_px, 48});
  const std::string size = "&stride=40&width=" + std::to_string(width) + "&height=" + std::to_string(height);
  const std::string frames = "?frames=" + std::to_string(kPoolFrames);
  if (!run.source.empty()) run.source = "streetsim:game" + frames + size;
  run.target = "streetsim:street" + frames + "&seed=7" + size;
  run.source_split = run.target_split = "";
  return run;
}

double peak_memory() {
  rusage used{};
  return ::getrusage(RUSAGE_SELF, &used) == 0 ? 1024.0 * static_cast<double>(used.ru_maxrss) : 0;
}

std::string milliseconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", 1e3 * seconds);
  return text;
}

int run_speed(const SpeedArguments& arguments) {
  RunOptions run;
  const auto places = config::Layers(arguments.preset, "", arguments.sets).apply(run);
  check_run(run, places);
  run = on_rendered_frames(std::move(run));
  const auto target = open_cached(run.target, "", run);
  const auto pool = adapt::make_dataset_pool(target);
  adapt::Engine engine(run.engine, open_source(run), *pool, 1);
  const Oracle oracle(target, run.engine.label_space);
  engine.merge(oracle.answer(
      engine.propose(config::Chosen("image_random"), engine.budget({.images = kPoolFrames / 2}))));
  ProgressLine line;
  const auto train = [&](int steps, const char* doing, std::map<std::string, double>* parts) {
    const auto report = engine.train(
        {steps,
         {},
         [&](const adapt::TrainProgress& p) { line.show(static_cast<double>(p.step) / (steps + 1), doing); },
         parts});
    if (report.out_of_memory || report.batch_share < 1)
      throw Error(
          "not enough memory here for a step of this preset: lower engine.input.crop_width_px and "
          "crop_height_px, or the images of a step");
  };
  train(2, "first steps, which pay for the start", nullptr);
  double whole_s = 0;
  {
    const Stopwatch watch(whole_s);
    train(arguments.steps, "steps as in a run", nullptr);
  }
  std::map<std::string, double> parts;
  train(arguments.steps, "steps in their parts", &parts);
  const auto& e = run.engine;
  const int unlabelled = e.selftrain.weight > 0 ? e.selftrain.batch : 0;
  const int images = e.train.batch_source + e.train.batch_target + unlabelled;
  const double step_s = whole_s / arguments.steps;
  line.finish("");
  std::printf("%s on %s\n", arguments.preset.c_str(), adapt::device_text(adapt::runs_on(e)).c_str());
  std::printf("%s, output stride %d, %s; crops of %dx%d, %d + %d labelled and %d unlabelled images a step\n",
              e.model.name.c_str(), e.model.output_stride, e.train.precision.c_str(), e.input.crop_width_px,
              e.input.crop_height_px, e.train.batch_source, e.train.batch_target, unlabelled);
  std::printf(
      "published step: deeplabv3plus_r101, output stride 8, float32; crops of 769x769, 2 + 2 labelled and 2 "
      "unlabelled images (driftloop bench speed paper)\n\n");
  Sheet sheet;
  sheet.heads = {"part of a step", "ms", "share"};
  double sum = 0;
  for (const auto& [part, seconds] : parts) sum += seconds;
  for (const auto& [part, seconds] : parts)
    sheet.rows.push_back({part, milliseconds(seconds / arguments.steps), percent(seconds / sum)});
  sheet.rows.push_back({"a step as in a run", milliseconds(step_s), ""});
  std::printf("%s\n", text_of(sheet).c_str());
  const auto on_gpu = adapt::device_memory_peak(adapt::runs_on(e));
  std::printf("%.2f images/s, %s of memory of this process at most%s\n", images / step_s,
              bytes(static_cast<std::int64_t>(peak_memory())).c_str(),
              on_gpu > 0 ? (", and " + bytes(on_gpu) + " on the GPU").c_str() : "");
  const double steps = static_cast<double>(run.warmup_steps + steps_of(run.rounds).value());
  std::printf("an arm of this preset, %.0f steps with the warm-up: %s\n", steps,
              duration(steps * step_s).c_str());
  return 0;
}

}  // namespace

Run add_speed(CLI::App& bench) {
  auto* command = bench.add_subcommand(
      "speed", "time a preset's training step and its parts on this device, on rendered frames");
  auto arguments = std::make_shared<SpeedArguments>();
  command->add_option("preset", arguments->preset, "a preset's name or a YAML file")->required();
  command->add_option("--steps", arguments->steps, "steps that are timed, as a whole and in parts")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command->add_option("--set", arguments->sets, "override a setting: section.key=value (repeatable)")
      ->allow_extra_args(false);
  return [arguments] { return run_speed(*arguments); };
}

}  // namespace driftloop::daemon
