// `driftloop bench speed`: what a training step of a preset costs on this device.
#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>

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
constexpr const char* kPublished = "paper";  // the preset with the published step
constexpr const char* kNone = "none";
constexpr const char* kAsTheDevice = "auto";

struct SpeedArguments {
  std::string preset;
  std::vector<std::string> sets;
  std::string beside = kAsTheDevice;
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

/// What this process has held at most since restart_host_peak(), bytes; 0 where the system does not say.
std::int64_t host_peak() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return 1024 * std::stoll(line.substr(6));
  return 0;
}

void restart_host_peak() {
  std::ofstream("/proc/self/clear_refs") << 5;  // proc_pid_clear_refs(5)
}

std::string decimal(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

/// The time of a preset's steps on this device.
struct Timed {
  std::string preset;
  adapt::EngineOptions engine;
  std::map<std::string, double> part_s;  // of one step
  double step_s = 0;
  std::int64_t host_bytes = 0, device_bytes = 0;
  std::int64_t arm_steps = 0;  // with the warm-up

  int unlabelled() const { return engine.selftrain.weight > 0 ? engine.selftrain.batch : 0; }
  int images() const { return engine.train.batch_source + engine.train.batch_target + unlabelled(); }
};

Timed timed(const std::string& preset, const RunOptions& asked, int steps, ProgressLine& line) {
  const RunOptions run = on_rendered_frames(asked);
  restart_host_peak();
  adapt::restart_memory_peak(adapt::runs_on(run.engine));
  const auto target = open_cached(run.target, "", run);
  const auto pool = adapt::make_dataset_pool(target);
  adapt::Engine engine(run.engine, open_source(run), *pool, 1);
  const Oracle oracle(target, run.engine.label_space);
  engine.merge(oracle.answer(
      engine.propose(config::Chosen("image_random"), engine.budget({.images = kPoolFrames / 2}))));
  const auto train = [&](int count, const std::string& doing, std::map<std::string, double>* parts) {
    const auto report =
        engine.train({count,
                      {},
                      [&](const adapt::TrainProgress& p) {
                        line.show(static_cast<double>(p.step) / (count + 1), preset + ", " + doing);
                      },
                      parts});
    if (report.out_of_memory || report.batch_share < 1)
      throw Error("not enough memory here for a step of " + preset +
                  ": lower engine.input.crop_width_px and crop_height_px, or the images of a step");
  };
  train(2, "first steps, which pay for the start", nullptr);
  Timed result;
  result.preset = preset;
  result.engine = run.engine;
  {
    const Stopwatch watch(result.step_s);
    train(steps, "steps as in a run", nullptr);
  }
  train(steps, "steps in their parts", &result.part_s);
  result.step_s /= steps;
  for (auto& [part, seconds] : result.part_s) seconds /= steps;
  result.host_bytes = host_peak();
  result.device_bytes = adapt::device_memory_peak(adapt::runs_on(run.engine));
  result.arm_steps = run.warmup_steps + steps_of(run.rounds).value();
  return result;
}

std::string step_text(const Timed& t) {
  const auto& e = t.engine;
  return t.preset + ": " + e.model.name + ", output stride " + std::to_string(e.model.output_stride) + ", " +
         e.train.precision + "; crops of " + std::to_string(e.input.crop_width_px) + 'x' +
         std::to_string(e.input.crop_height_px) + ", " + std::to_string(e.train.batch_source) + " + " +
         std::to_string(e.train.batch_target) + " labelled and " + std::to_string(t.unlabelled()) +
         " unlabelled images a step";
}

Sheet table_of(const std::vector<Timed>& steps) {
  std::set<std::string> parts;
  for (const auto& t : steps)
    for (const auto& [part, seconds] : t.part_s) parts.insert(part);
  Sheet sheet;
  sheet.heads = {"part of a step"};
  for (const auto& t : steps) sheet.heads.insert(sheet.heads.end(), {t.preset + ", ms", "share"});
  const auto row = [&](const std::string& name, const auto& cells) {
    std::vector<std::string> line{name};
    for (const auto& t : steps) {
      const std::pair<std::string, std::string> two = cells(t);
      line.insert(line.end(), {two.first, two.second});
    }
    sheet.rows.push_back(std::move(line));
  };
  for (const auto& part : parts)
    row(part, [&](const Timed& t) {
      const auto found = t.part_s.find(part);
      if (found == t.part_s.end()) return std::pair<std::string, std::string>();
      double sum = 0;
      for (const auto& [name, seconds] : t.part_s) sum += seconds;
      return std::pair(decimal(1e3 * found->second, 1), percent(found->second / sum));
    });
  const auto plain = [&](const std::string& name, const auto& cell) {
    row(name, [&](const Timed& t) { return std::pair(cell(t), std::string()); });
  };
  plain("a step as in a run, ms", [](const Timed& t) { return decimal(1e3 * t.step_s, 1); });
  plain("images/s", [](const Timed& t) { return decimal(t.images() / t.step_s, 2); });
  plain("memory of this process at most", [](const Timed& t) { return bytes(t.host_bytes); });
  if (std::ranges::any_of(steps, [](const Timed& t) { return t.device_bytes > 0; }))
    plain("memory on the GPU at most", [](const Timed& t) { return bytes(t.device_bytes); });
  plain("steps of an arm, with the warm-up", [](const Timed& t) { return std::to_string(t.arm_steps); });
  plain("their time", [](const Timed& t) { return duration(static_cast<double>(t.arm_steps) * t.step_s); });
  return sheet;
}

int run_speed(const SpeedArguments& arguments) {
  const auto settings = [&](const std::string& preset, const std::vector<std::string>& sets) {
    RunOptions run;
    const auto places = config::Layers(preset, "", sets).apply(run);
    check_run(run, places);
    return run;
  };
  const RunOptions own = settings(arguments.preset, arguments.sets);
  const auto where = adapt::runs_on(own.engine);
  const bool on_gpu = where.device != "cpu" && adapt::visible_gpus() > 0;
  const std::string own_choice = on_gpu ? kPublished : kNone;
  const std::string beside = arguments.beside == kAsTheDevice ? own_choice : arguments.beside;
  std::optional<RunOptions> other;
  if (beside != kNone && beside != arguments.preset) {
    other = settings(beside, {});
    other->engine.device = own.engine.device;
    other->engine.threads = own.engine.threads;
  }
  ProgressLine line;
  std::vector<Timed> steps{timed(arguments.preset, own, arguments.steps, line)};
  std::string missing;
  try {
    if (other) steps.push_back(timed(beside, *other, arguments.steps, line));
  } catch (const Error& error) {
    missing = error.what();
  }
  line.finish("");
  std::printf("on %s\n", adapt::device_text(where).c_str());
  for (const auto& t : steps) std::printf("%s\n", step_text(t).c_str());
  std::printf("\n%s", text_of(table_of(steps)).c_str());
  if (!missing.empty()) std::printf("%s is missing: %s\n", beside.c_str(), missing.c_str());
  if (beside == kNone && arguments.beside != kNone)
    std::printf("beside the published step, minutes and many gigabytes on a CPU: --beside %s\n", kPublished);
  return 0;
}

}  // namespace

Run add_speed(CLI::App& bench) {
  auto* command = bench.add_subcommand(
      "speed", "time a preset's training step and its parts on this device, on rendered frames");
  auto arguments = std::make_shared<SpeedArguments>();
  command->add_option("preset", arguments->preset, "a preset's name or a YAML file")->required();
  command
      ->add_option("--beside", arguments->beside,
                   "another preset whose step is timed in the same call; auto = on a GPU the published "
                   "step (paper), none = nothing")
      ->capture_default_str();
  command->add_option("--steps", arguments->steps, "steps that are timed, as a whole and in parts")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command->add_option("--set", arguments->sets, "override a setting: section.key=value (repeatable)")
      ->allow_extra_args(false);
  return [arguments] { return run_speed(*arguments); };
}

}  // namespace driftloop::daemon
