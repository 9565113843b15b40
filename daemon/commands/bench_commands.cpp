// `driftloop bench` and the process it starts per arm.
#include <sys/prctl.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <memory>

#include "config/check.h"
#include "config/durable_file.h"
#include "config/layers.h"
#include "daemon/bench/arm_jobs.h"
#include "daemon/bench/arm_table.h"
#include "daemon/bench/offline_loop.h"
#include "daemon/bench/oracle.h"
#include "daemon/bench/run_ranks.h"
#include "daemon/bench/run_report.h"
#include "daemon/commands/commands.h"
#include "daemon/progress.h"
#include "daemon/report/run_table.h"
#include "daemon/stop_signals.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

constexpr int kPictureRows = 4;

struct BenchArguments {
  std::string preset;
  fs::path out;
  std::uint64_t seed = 1;
  std::vector<std::uint64_t> seeds;
  int devices = 1;
  std::vector<std::string> sets;
};
struct TableArguments {
  std::vector<fs::path> runs;
  fs::path out;
  LabourModel labour;
};

std::string preset_help() {
  std::string text = "Presets:\n";
  for (const auto& line : config::list_presets()) text += "  " + line + '\n';
  return text;
}

std::string command_of(const BenchArguments& arguments) {
  return command_text("driftloop bench " + arguments.preset + " --seed " + std::to_string(arguments.seed),
                      arguments.sets);
}

/// The folder is this command's and holds this run and no other. Throws Error.
std::unique_ptr<RunFolder> claim(const fs::path& out, const std::string& command,
                                 const BenchArguments& arguments, const RunOptions& options) {
  auto folder = std::make_unique<RunFolder>(out, command);
  if (const fs::path begun = out / "run.yaml";
      fs::exists(begun) && config::read_file(begun) != config::to_yaml(options, config::Comments::help))
    throw Error(begun.string() + " has other settings than preset '" + arguments.preset +
                "' has now, so going on would mix two runs: give another --out");
  write_run_file(options, out);
  return folder;
}

/// Every arm's part and the pictures, in one report.
void report_run(const RunOptions& options, const fs::path& out, const std::string& command) {
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
}

/// One seed, in a folder of its own: each training a process, or one for each device.
void run_seed(const BenchArguments& arguments, const RunOptions& options, const fs::path& out,
              StopSignals& signals) {
  const std::string command = command_of(arguments);
  const auto folder = claim(out, command, arguments, options);
  PlannedProgress line(planned_stages(options));
  const auto run = [&](std::vector<Job> jobs, const std::string& stage, const std::string& doing) {
    const int side_by_side = arguments.devices > 1 ? 1 : options.jobs;  // a job has all devices
    run_arm_jobs({out, std::move(jobs), [=] { return side_by_side; }, arguments.seed, 0, arguments.devices},
                 signals.token(), [&](double share) { line.at(stage, share, doing); });
  };
  if (!fs::exists(out / kSourceWeights)) run({warmup_job(out)}, "warm-up", "training on the source");
  run(training_jobs(out, trainings(options)), "arms", "arms: " + std::to_string(options.arms.size()));
  line.at("pictures", 0, "pictures and report");
  report_run(options, out, command);
  line.finish("report: " + (out / "report.html").string());
}

/// The same as one of several processes that somebody else started, all with this command line. The first of
/// them alone writes.
void run_seed_with(const adapt::Ranks& ranks, const BenchArguments& arguments, const RunOptions& options,
                   const fs::path& out, StopSignals& signals) {
  const bool first = ranks.rank() == 0;
  const std::string command = command_of(arguments);
  std::unique_ptr<RunFolder> folder;
  if (first) folder = claim(out, command, arguments, options);
  ranks.gather("");  // the folder is there
  RunOptions own = options;
  own.engine.device = device_of(options, local_rank_of_environment());
  PlannedProgress line(planned_stages(options));
  const auto show = [&](const char* stage, double part, double parts) {
    return [&line, first, stage, part, parts](int done, int total) {
      if (first) line.at(stage, (part + static_cast<double>(done) / total) / parts, stage);
    };
  };
  run_warmup(own, arguments.seed, out / kSourceWeights, signals.token(), show("warm-up", 0, 1), ranks);
  ranks.gather("");  // the weights are there
  const auto all = trainings(options);
  for (std::size_t i = 0; i < all.size(); ++i)
    if (!run_training(own, arguments.seed, all[i], out, signals.token(),
                      show("arms", static_cast<double>(i), static_cast<double>(all.size())), ranks))
      throw Error("stopped; the same command goes on where this one was");
  if (!first) return;
  line.at("pictures", 0, "pictures and report");
  report_run(options, out, command);
  line.finish("report: " + (out / "report.html").string());
}

/// The page of one benchmark, or a folder with a page for each.
void write_tables(const std::vector<RunTable>& tables, const fs::path& out) {
  for (std::size_t i = 0; i < tables.size(); ++i) {
    const fs::path folder = tables.size() == 1 ? out : out / ("benchmark_" + std::to_string(i + 1));
    write_report(report_of(tables[i]), folder);
    std::printf("report: %s\n", (folder / "report.html").c_str());
  }
}

void print_tables(const std::vector<RunTable>& tables) {
  for (const auto& table : tables) std::printf("\n%s\n", text_of(sheet_of(table)).c_str());
}

int run_bench(const BenchArguments& arguments) {
  RunOptions options;
  check_run(options, config::Layers(arguments.preset, "", arguments.sets).apply(options));
  options = with_data_placed(std::move(options));
  check_data(options);
  StopSignals signals;
  std::unique_ptr<adapt::Ranks> ranks;
  if (auto meeting = meeting_of_environment()) {
    if (arguments.devices > 1)
      throw Error(
          "--devices starts the processes, and WORLD_SIZE says that somebody has: leave one of them out");
    meeting->device = device_of(options, local_rank_of_environment());
    ranks = adapt::join_ranks(*meeting);
  }
  const auto run = [&](const BenchArguments& one, const fs::path& out) {
    ranks ? run_seed_with(*ranks, one, options, out, signals) : run_seed(one, options, out, signals);
  };
  if (arguments.seeds.empty()) {
    run(arguments, arguments.out);
    return 0;
  }
  const bool writes = !ranks || ranks->rank() == 0;
  std::vector<fs::path> runs;
  for (std::size_t i = 0; i < arguments.seeds.size(); ++i) {
    BenchArguments one = arguments;
    one.seed = arguments.seeds[i];
    runs.push_back(arguments.out / ("seed_" + std::to_string(one.seed)));
    if (writes)
      std::printf("seed %llu, %zu of %zu\n", static_cast<unsigned long long>(one.seed), i + 1,
                  arguments.seeds.size());
    if (!fs::exists(runs.back() / "report.html")) run(one, runs.back());
  }
  if (!writes) return 0;
  const auto tables = run_tables(find_runs(runs));
  print_tables(tables);
  write_tables(tables, arguments.out);
  return 0;
}

int run_table(const TableArguments& arguments) {
  const auto tables = run_tables(find_runs(arguments.runs), arguments.labour);
  print_tables(tables);
  if (!arguments.out.empty()) write_tables(tables, arguments.out);
  return 0;
}

Run add_table(CLI::App& bench) {
  auto* command = bench.add_subcommand(
      "table", "put finished runs beside each other: mean and spread over seeds, differences, costs");
  auto arguments = std::make_shared<TableArguments>();
  command->add_option("runs", arguments->runs, "folders of runs, or folders that hold some")->required();
  command->add_option("--out", arguments->out,
                      "folder for the table as a report; without it, it is printed alone");
  command
      ->add_option("--seconds-per-click", arguments->labour.seconds_per_click,
                   "time of a labeller for a point or a tile of one class")
      ->capture_default_str();
  command
      ->add_option("--seconds-per-megapixel", arguments->labour.seconds_per_megapixel,
                   "time of a labeller for whole images")
      ->capture_default_str();
  return [arguments] { return run_table(*arguments); };
}

}  // namespace

Run add_bench(CLI::App& app) {
  auto* command = app.add_subcommand("bench",
                                     "run the loop offline: a data set as the road, its labels as the lab; "
                                     "writes report.html and report.json");
  auto arguments = std::make_shared<BenchArguments>();
  command->add_option("preset", arguments->preset, "a preset's name or a YAML file");
  command->add_option("--out", arguments->out,
                      "folder for the run; the same command continues a stopped one");
  auto* seed = command->add_option("--seed", arguments->seed, "of everything random")->capture_default_str();
  command
      ->add_option("--seeds", arguments->seeds,
                   "several, as 0,1,2: a run each in a folder of its own below --out, and their table")
      ->delimiter(',')
      ->excludes(seed);
  command->add_option("--set", arguments->sets, "override a setting: section.key=value (repeatable)")
      ->allow_extra_args(false);
  command->footer(preset_help() + '\n' + arm_help());
  command
      ->add_option(
          "--devices", arguments->devices,
          "so many processes share each training, one on each GPU (on the CPU with engine.device=cpu)")
      ->check(CLI::Range(1, 1024));
  const Run table = add_table(*command), speed = add_speed(*command);
  return [=] {
    for (const auto* chosen : command->get_subcommands())
      return chosen->get_name() == "table" ? table() : speed();
    for (const auto& [given, name] : {std::pair{arguments->preset.empty(), "a preset"},
                                      std::pair{arguments->out.empty(), "--out FOLDER"}})
      if (given)
        throw Error(
            std::string("bench needs ") + name +
            ", as driftloop bench streetsim --out out/bench; driftloop bench --help lists the presets");
    return run_bench(*arguments);
  };
}

Run add_arm(CLI::App& app) {
  auto* command =
      app.add_subcommand(
             "arm", "run one training of a run that 'bench' or 'demo' prepared (they call this themselves)")
          ->group("");
  struct Arguments {
    std::string run;
    std::vector<std::string> names;
    bool warmup = false;
    std::uint64_t seed = 1;
    int threads = 0;
    adapt::Rendezvous meeting;
  };
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--run", arguments->run)->required();
  command->add_option("--name", arguments->names);  // those that share a training
  command->add_flag("--warmup", arguments->warmup);
  command->add_option("--devices", arguments->meeting.count);
  command->add_option("--rank", arguments->meeting.rank);
  command->add_option("--port", arguments->meeting.port);
  command->add_option("--seed", arguments->seed)->required();
  command->add_option("--threads", arguments->threads);
  return [arguments] {
    RunOptions options;
    const fs::path out = arguments->run;
    config::Layers("", out / "run.yaml", {}).apply(options);
    if (arguments->threads > 0) options.engine.threads = arguments->threads;
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // an arm does not outlive the run that reads it
    StopSignals signals;
    const adapt::Rendezvous& meeting = arguments->meeting;
    std::unique_ptr<adapt::Ranks> joined;
    if (meeting.count > 1) {
      options.engine.device = device_of(options, meeting.rank);
      joined = adapt::join_ranks(
          {meeting.rank, meeting.count, meeting.address, meeting.port, options.engine.device});
    }
    const adapt::Ranks& ranks = joined ? *joined : adapt::Ranks::alone();
    const fs::path folder =
        arguments->warmup ? warmup_job(out).folder : arm_folder(out, arguments->names.front());
    ProgressFile progress(folder / "progress");
    const StepProgress show = [&](int done, int total) {
      if (ranks.rank() == 0) progress(done, total);
    };
    if (arguments->warmup) {
      run_warmup(options, arguments->seed, out / kSourceWeights, signals.token(), show, ranks);
      return 0;
    }
    return run_training(options, arguments->seed, arguments->names, out, signals.token(), show, ranks) ? 0
                                                                                                       : 130;
  };
}

}  // namespace driftloop::daemon
