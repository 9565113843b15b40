// `driftloop demo`: the whole loop on one machine, with real processes, and a report to look at.
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <opencv2/imgcodecs.hpp>
#include <sstream>
#include <thread>

#include "adapt/data/dataset.h"
#include "adapt/data/streetsim/streetsim.h"
#include "capture/frame_store.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "config/layers.h"
#include "daemon/bench/arm_jobs.h"
#include "daemon/bench/offline_loop.h"
#include "daemon/bench/run_report.h"
#include "daemon/bench/run_words.h"
#include "daemon/commands/commands.h"
#include "daemon/demo/demo_processes.h"
#include "daemon/progress.h"
#include "daemon/stop_signals.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kPictureRows = 4;
// Expected seconds of a frame and of a model, for the progress line.
constexpr double kRenderS = 0.013, kScoringS = 1;
constexpr int kTimedSteps = 12;  // of --minutes: how fast this machine is

struct DemoArguments {
  std::string out = "out/demo";
  std::string target;
  std::uint64_t seed = 1;
  double minutes = 0;
  std::vector<std::string> sets;
};

/// The drive: rendered frames for the demo, or the user's own folder.
struct Drive {
  fs::path images, labels;
  std::string ids;
  int frames = 0;
};

bool is_image(const fs::path& file) {
  const auto extension = file.extension();
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

int count_images(const fs::path& folder) {
  int count = 0;
  for (const auto& file : fs::directory_iterator(folder)) count += is_image(file.path());
  return count;
}

/// What a vehicle that sends every frame would send: as JPEG, like those that it stores.
std::int64_t bytes_of_frames(const fs::path& folder) {
  std::int64_t bytes = 0;
  std::vector<unsigned char> file;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (!is_image(entry.path())) continue;
    const cv::Mat bgr = cv::imread(entry.path().string());
    if (bgr.empty()) continue;  // nor does the camera read it
    cv::imencode(".jpg", bgr, file, {cv::IMWRITE_JPEG_QUALITY, capture::StoreOptions().jpeg_quality});
    bytes += std::ssize(file);
  }
  return bytes;
}

Drive camvid_drive(RunOptions& options, const std::string& target) {
  const fs::path root = fs::absolute(target.substr(target.find(':') + 1));
  options.target = options.eval = "camvid:" + root.string();
  options.target_split = "train";
  options.eval_split = "val";
  adapt::open_dataset(options.target, "train");  // refuses a folder of another layout before any work
  adapt::open_dataset(options.eval, "val");
  return {root / "train" / "images", root / "train" / "labels", "camvid",
          count_images(root / "train" / "images")};
}

/// Renders what the preset calls its target into out/drive (once), so that the daemon's camera can read it.
Drive rendered_drive(RunOptions& options, const fs::path& out, PlannedProgress& progress) {
  const fs::path folder = fs::absolute(out / "drive");
  if (!fs::exists(folder / "complete")) {
    const auto drive = adapt::open_dataset(options.target, options.target_split);
    adapt::write_dataset(*drive, folder, [&](std::size_t done, std::size_t total) {
      progress.at("rendering", static_cast<double>(done) / static_cast<double>(total), "rendering the drive");
    });
    config::write_durably(folder / "complete", options.target);
  }
  options.target_name = words_of_dataset(options.target);
  options.target = "folder:" + folder.string();
  options.target_split.clear();
  return {folder / "images", folder / "labels", "trainids", count_images(folder / "images")};
}

/// --minutes: the steps are scaled so that all arms end in about that time on this machine.
void fit_into(RunOptions& options, double minutes, std::uint64_t seed, const fs::path& out) {
  RunOptions probe = options;
  probe.warmup_steps = kTimedSteps;
  const fs::path scratch = out / "probe.safetensors";
  fs::remove(scratch);
  Clock::time_point first{};
  run_warmup(probe, seed, scratch, {}, [&](int done, int) {
    if (done == 2) first = Clock::now();  // the first steps pay for start-up
  });
  const double step_s = std::chrono::duration<double>(Clock::now() - first).count() / (kTimedSteps - 2);
  fs::remove(scratch);
  // An arm's step has the images of a warm-up step, and unlabelled ones that the teacher sees, too.
  const auto& engine = options.engine;
  const double unlabelled = engine.selftrain.weight > 0 ? 1.5 * engine.selftrain.batch : 0;
  const double images = 1 + unlabelled / (engine.train.batch_source + engine.train.batch_target);
  const double planned_s =
      step_s * (options.warmup_steps + images * static_cast<double>(steps_of(options.rounds).value()) *
                                           static_cast<double>(trainings(options).size()));
  const double factor = 0.85 * minutes * 60 / planned_s;
  options.warmup_steps = std::max(10, static_cast<int>(options.warmup_steps * factor));
  for (auto& round : options.rounds) round.steps = std::max(5, static_cast<int>(round.steps * factor));
  std::printf("  %.2f s a step here: %d warm-up steps and %lld in %lld rounds fit into %.1f minutes\n",
              step_s, options.warmup_steps, static_cast<long long>(steps_of(options.rounds).value()),
              static_cast<long long>(rounds_of(options.rounds).value()), minutes);
}

void print_summary(const Report& report) {
  std::printf("\n  %-16s", "mIoU by round");
  for (std::size_t round = 0; round < report.arms.at(0).rounds.size(); ++round) std::printf("%8zu", round);
  std::printf("%12s%12s\n", "pixels", "bytes sent");
  for (const auto& arm : report.arms) {
    std::printf("  %-16s", arm.name.c_str());
    for (const auto& round : arm.rounds) std::printf("%8.1f", 100 * round.miou);
    std::printf("%12lld%12lld\n", static_cast<long long>(arm.rounds.back().labelled_pixels),
                static_cast<long long>(arm.rounds.back().bytes_sent));
  }
}

/// The live arm in this process' children, the offline arms beside it.
Report run_arms(const RunOptions& options, const LiveDemo& demo, StopSignals& signals,
                PlannedProgress& progress) {
  const std::string own = own_arm(options);
  RunOptions others = options;
  std::erase(others.arms, own);
  const auto offline = trainings(others);
  LiveRun live(options, demo);
  const auto show = [&](double offline_share) {
    live.finished();  // throws when a program died
    const double all = static_cast<double>(offline.size()) + 1;
    progress.at("arms", (offline_share * static_cast<double>(offline.size()) + live.share()) / all,
                "vehicle, station and " + std::to_string(others.arms.size()) + " control arms");
  };
  const auto jobs = [&] { return options.jobs - (live.finished() ? 0 : 1); };
  const int threads = options.engine.threads * options.jobs;
  run_arm_jobs({demo.out, training_jobs(demo.out, offline), jobs, demo.seed, threads}, signals.token(), show);
  while (!live.finished()) {
    if (signals.token().stop_requested())
      throw Error("stopped; the same command continues where each program was");
    show(1);
    std::this_thread::sleep_for(
        std::chrono::milliseconds(200));  // display only: the end is seen by finished()
  }
  std::vector<fs::path> parts;
  for (const auto& arm : others.arms) parts.push_back(fs::relative(arm_folder(demo.out, arm), demo.out));
  Report report = parts.empty() ? report_head(options, demo.seed, "") : read_parts(demo.out, parts);
  progress.at("scoring", 0, "scoring the vehicle's models");
  Arm arm = live.arm(signals.token(), [&](int done, int models) {
    progress.at("scoring", static_cast<double>(done) / models, "scoring the vehicle's models");
  });
  std::vector<Arm> ordered;
  for (const auto& name : options.arms) {
    if (name == own) ordered.push_back(arm);
    for (const auto& other : report.arms)
      if (other.name == name) ordered.push_back(other);
  }
  report.arms = ordered;
  progress.at("pictures", 0, "pictures and report");
  report.pictures =
      make_pictures(options, own,
                    {demo.out / kSourceWeights, demo.out / arm.weights, live.asked(), kPictureRows,
                     [&](int done, int rows) {
                       // The rows come after the models are loaded and before the report is written.
                       progress.at("pictures", (done + 1.0) / (rows + 2.0), "pictures and report");
                     }});
  return report;
}

int run_demo(const DemoArguments& arguments) {
  const auto start = Clock::now();
  RunOptions options;
  const bool camvid = arguments.target.starts_with("camvid:");
  if (!arguments.target.empty() && !camvid)
    throw Error("--target " + arguments.target + ": write it as camvid:DIR");
  check_run(options, config::Layers(camvid ? "demo_camvid" : "demo", "", arguments.sets).apply(options));
  const fs::path out = arguments.out;
  std::ostringstream command;
  command << "driftloop demo --seed " << arguments.seed;
  if (arguments.minutes > 0) command << " --minutes " << arguments.minutes;
  if (camvid) command << " --target " << arguments.target;
  const RunFolder folder(out, command_text(command.str(), arguments.sets));
  StopSignals signals;
  std::vector<PlannedStage> stages = planned_stages(options);
  if (!camvid)
    stages.insert(
        stages.begin(),
        {"rendering", static_cast<double>(adapt::open_dataset(options.target, options.target_split)->size()),
         kRenderS});
  stages.insert(stages.end() - 1,
                {"scoring", static_cast<double>(rounds_of(options.rounds).value()) + 1, kScoringS});
  PlannedProgress line(std::move(stages));
  const Drive drive = camvid ? camvid_drive(options, arguments.target) : rendered_drive(options, out, line);
  if (arguments.minutes > 0 && !fs::exists(out / "run.yaml"))
    fit_into(options, arguments.minutes, arguments.seed, out);
  if (fs::exists(out / "run.yaml"))
    config::Layers("", out / "run.yaml", {}).apply(options);  // a stopped demo goes on as it began
  write_run_file(options, out);
  run_warmup(options, arguments.seed, out / kSourceWeights, signals.token(), [&](int done, int total) {
    line.at("warm-up", static_cast<double>(done) / total,
            "training on the source (" + options.source.substr(0, options.source.find('?')) + ')');
  });
  Report report = run_arms(
      options,
      {out, "images://" + drive.images.string(), drive.labels, drive.ids, drive.frames, arguments.seed},
      signals, line);
  report.command = command_text(command.str(), arguments.sets);
  report.pool_bytes = bytes_of_frames(drive.images);
  write_report(report, out);
  line.finish("done in " + duration_text(std::chrono::duration<double>(Clock::now() - start).count()));
  print_summary(report);
  std::printf("\nreport: %s\n", fs::absolute(out / "report.html").c_str());
  return 0;
}

}  // namespace

Run add_demo(CLI::App& app) {
  auto* command = app.add_subcommand("demo",
                                     "the whole loop on this machine: vehicle and station as processes, "
                                     "control arms beside them, a report to look at");
  auto arguments = std::make_shared<DemoArguments>();
  command
      ->add_option("--out", arguments->out,
                   "folder for everything; the same command continues a stopped demo")
      ->capture_default_str();
  command->add_option("--seed", arguments->seed, "of everything random")->capture_default_str();
  command->add_option("--target", arguments->target,
                      "real frames instead of rendered ones: camvid:DIR with {train,val}/{images,labels}");
  command
      ->add_option("--minutes", arguments->minutes,
                   "fit the training into about so many minutes on this machine; 0 = the preset's steps")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 10'000.0));
  command
      ->add_option("--set", arguments->sets,
                   "override a setting of the preset: section.key=value (repeatable)")
      ->allow_extra_args(false);
  return [arguments] { return run_demo(*arguments); };
}

}  // namespace driftloop::daemon
