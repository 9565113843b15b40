// `driftloop bench` and the process it starts per arm.
#include <sys/prctl.h>

#include <algorithm>
#include <csignal>
#include <memory>

#include "config/check.h"
#include "config/durable_file.h"
#include "config/layers.h"
#include "daemon/bench/arm_jobs.h"
#include "daemon/bench/arm_table.h"
#include "daemon/bench/offline_loop.h"
#include "daemon/commands/commands.h"
#include "daemon/progress.h"
#include "daemon/stop_signals.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

constexpr int kPictureRows = 4;

struct BenchArguments {
  std::string preset;
  std::string out;
  std::uint64_t seed = 1;
  std::vector<std::string> sets;
};

std::string preset_help() {
  std::string text = "Presets:\n";
  for (const auto& line : config::list_presets()) text += "  " + line + '\n';
  return text;
}

int run_bench(const BenchArguments& arguments) {
  RunOptions options;
  check_run(options, config::Layers(arguments.preset, "", arguments.sets).apply(options));
  const fs::path out = arguments.out;
  const std::string command = command_text(
      "driftloop bench " + arguments.preset + " --seed " + std::to_string(arguments.seed), arguments.sets);
  const RunFolder folder(out, command);
  if (const fs::path begun = out / "run.yaml";
      fs::exists(begun) && config::read_file(begun) != config::to_yaml(options, config::Comments::help))
    throw Error(begun.string() + " has other settings than preset '" + arguments.preset +
                "' has now, so going on would mix two runs: give another --out");
  write_run_file(options, out);
  StopSignals signals;
  const auto all = trainings(options);
  PlannedProgress line(planned_stages(options));
  run_warmup(options, arguments.seed, out / kSourceWeights, signals.token(), [&](int done, int total) {
    line.at("warm-up", static_cast<double>(done) / total, "training on the source");
  });
  run_arm_jobs({out, all, [&] { return options.jobs; }, arguments.seed, 0}, signals.token(),
               [&](double share) { line.at("arms", share, "arms: " + std::to_string(options.arms.size())); });
  line.at("pictures", 0, "pictures and report");
  std::vector<fs::path> parts;
  for (const auto& arm : options.arms) parts.push_back(fs::relative(arm_folder(out, arm), out));
  Report report = read_parts(out, parts);
  report.command = command;
  const std::string shown = own_arm(options);
  if (std::find(options.arms.begin(), options.arms.end(), shown) != options.arms.end())
    report.pictures = make_pictures(options, shown,
                                    {out / kSourceWeights, arm_folder(out, shown) / "model.safetensors",
                                     asked_regions(shown, arm_folder(out, shown)), kPictureRows});
  write_report(report, out);
  line.finish("report: " + (out / "report.html").string());
  return 0;
}

}  // namespace

Run add_bench(CLI::App& app) {
  auto* command = app.add_subcommand("bench",
                                     "run the loop offline: a data set as the road, its labels as the lab; "
                                     "writes report.html and report.json");
  auto arguments = std::make_shared<BenchArguments>();
  command->add_option("preset", arguments->preset, "a preset's name or a YAML file")->required();
  command->add_option("--out", arguments->out, "folder for the run; the same command continues a stopped one")
      ->required();
  command->add_option("--seed", arguments->seed, "of everything random")->capture_default_str();
  command->add_option("--set", arguments->sets, "override a setting: section.key=value (repeatable)")
      ->allow_extra_args(false);
  command->footer(preset_help() + '\n' + arm_help());
  return [arguments] { return run_bench(*arguments); };
}

Run add_arm(CLI::App& app) {
  auto* command =
      app.add_subcommand(
             "arm", "run one training of a run that 'bench' or 'demo' prepared (they call this themselves)")
          ->group("");
  struct Arguments {
    std::string run;
    std::vector<std::string> names;
    std::uint64_t seed = 1;
    int threads = 0;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--run", arguments->run)->required();
  command->add_option("--name", arguments->names)->required();  // those that share a training
  command->add_option("--seed", arguments->seed)->required();
  command->add_option("--threads", arguments->threads);
  return [arguments] {
    RunOptions options;
    const fs::path out = arguments->run;
    config::Layers("", out / "run.yaml", {}).apply(options);
    if (arguments->threads > 0) options.engine.threads = arguments->threads;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // an arm does not outlive the run that reads it
    StopSignals signals;
    ProgressFile progress(arm_folder(out, arguments->names.front()) / "progress");
    const bool finished =
        run_training(options, arguments->seed, arguments->names, out, signals.token(), std::ref(progress));
    return finished ? 0 : 130;
  };
}

}  // namespace driftloop::daemon
