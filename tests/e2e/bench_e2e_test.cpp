// The offline loop and the demo, as a person starts them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "config/durable_file.h"
#include "tests/e2e/programs.h"
#include "tests/support/temp_folder.h"

namespace driftloop::e2e {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr int kRounds = 3;
constexpr int kSteps = 2 * 4 + 6;
constexpr const char* kEval = "streetsim:street?frames=4&stride=40&seed=1001&width=96&height=64";

// The smallest run that still has every stage; one thread, so that sums are made in one order.
const std::vector<std::string> kTiny = {"source=streetsim:game?frames=8&stride=40&width=96&height=64",
                                        "target=streetsim:street?frames=8&stride=8&seed=7&width=96&height=64",
                                        std::string("eval=") + kEval,
                                        "start=\"\"",
                                        "warmup_rate=0",
                                        "warmup_steps=4",
                                        "engine.device=cpu",
                                        "engine.threads=1",
                                        "engine.model.name=deeplabv3plus_r18",
                                        "engine.model.aspp_rate=3",
                                        "engine.model.width=0.0625",
                                        "engine.input.crop_width_px=64",
                                        "engine.input.crop_height_px=48",
                                        "engine.train.batch_source=2",
                                        "engine.train.batch_target=1",
                                        "engine.selftrain.weight=1",
                                        "engine.selftrain.batch=1",
                                        "engine.guard.enabled=true",
                                        "engine.guard.min_pixels=64"};

std::vector<std::string> with_sets(std::vector<std::string> command, std::vector<std::string> sets) {
  sets.insert(sets.begin(), kTiny.begin(), kTiny.end());
  for (const auto& set : sets) command.insert(command.end(), {"--set", set});
  return command;
}

class Bench : public testing::Test {
 protected:
  std::vector<std::string> command(
      const std::string& out,
      const std::string& arms = "source_only, adabn, self_training, random, cover, full, plan",
      const std::vector<std::string>& more = {}) const {
    std::vector<std::string> sets{
        "rounds=[{times: 2, steps: 4, strategy: cover, budget: {share: 0.02}}, "
        "{steps: 6, strategy: random, budget: {regions: 4}}]",
        "arms=[" + arms + "]"};
    sets.insert(sets.end(), more.begin(), more.end());
    return with_sets({kDriftloop, "bench", "streetsim", "--seed", "3", "--out", (folder_ / out).string()},
                     sets);
  }
  nlohmann::json report(const std::string& out) const { return read_json(folder_ / out / "report.json"); }

  test::TempFolder folder_;
};

/// What docs/report.md promises of every report, beside the numbers themselves.
void expect_schema(const nlohmann::json& report, const std::vector<std::string>& arms, int rounds) {
  EXPECT_EQ(report.at("schema"), 1);
  EXPECT_TRUE(report.at("seed").is_number_integer());
  EXPECT_TRUE(report.at("config").is_object());
  std::vector<std::string> names;
  for (const auto& arm : report.at("arms")) {
    names.push_back(arm.at("name"));
    EXPECT_FALSE(arm.contains("error")) << arm;
    ASSERT_EQ(arm.at("rounds").size(), static_cast<std::size_t>(rounds) + 1) << names.back();
    int number = 0;
    for (const auto& round : arm.at("rounds")) {
      EXPECT_EQ(round.at("round"), number++);
      EXPECT_GE(round.at("miou").get<double>(), 0);
      EXPECT_LE(round.at("miou").get<double>(), 1);
      EXPECT_EQ(round.at("per_class_iou").size(), 19u);
      for (const auto& [name, iou] : round.at("per_class_iou").items())
        EXPECT_TRUE(iou.is_null() || (iou >= 0 && iou <= 1)) << name;
      for (const char* key : {"labelled_pixels", "regions", "bytes_sent", "steps"})
        EXPECT_TRUE(round.at(key).is_number_integer()) << key;
      for (const auto& [stage, seconds] : round.at("seconds").items())
        EXPECT_GE(seconds.get<double>(), 0) << stage;
    }
  }
  EXPECT_EQ(names, arms);
}

/// The numbers of a report that do not depend on when and how fast it was made.
nlohmann::json numbers(nlohmann::json report) {
  for (auto& arm : report.at("arms"))
    for (auto& round : arm.at("rounds"))
      for (const char* measured : {"seconds", "frame_ms", "memory_bytes"}) round.erase(measured);
  return report.at("arms");
}

const nlohmann::json& arm_named(const nlohmann::json& report, const std::string& name) {
  for (const auto& arm : report.at("arms"))
    if (arm.at("name") == name) return arm;
  throw std::runtime_error("no arm " + name);
}

/// Stops the whole family of a running bench at once, as a power cut does: a killed parent's arms are adopted
/// and found by their command line, which names this test's own folder.
void kill_with_arms(std::unique_ptr<daemon::ChildProcess>& bench, const fs::path& out) {
  EXPECT_TRUE(kill_now(bench)) << "it ended before it could be killed: " << bench->last_words();
  for (const auto& process : fs::directory_iterator("/proc")) {
    const std::string name = process.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(process.path() / "cmdline");
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    if (line.find(std::string("arm") + '\0' + "--run" + '\0' + out.string() + '\0') == std::string::npos)
      continue;
    const pid_t pid = std::stoi(name);
    ::kill(pid, SIGKILL);
    // Gone, or a zombie that nobody has awaited: neither has a program any more.
    std::error_code gone;
    EXPECT_TRUE(eventually([&] { return fs::read_symlink(process.path() / "exe", gone).empty(); }));
  }
}

TEST_F(Bench, AKilledRunContinuesAndEndsWhereAnUndisturbedOneDoes) {
  auto bench = std::make_unique<daemon::ChildProcess>(command("killed"), folder_ / "killed.log");
  // Two arms side by side: when the first has a round behind it, others are in the middle of one or not
  // begun.
  ASSERT_TRUE(eventually([&] {
    return fs::exists(folder_ / "killed" / "arms" / "source_only" / "report.json") ||
           bench->wait(std::chrono::milliseconds(0));
  }));
  kill_with_arms(bench, folder_ / "killed");
  EXPECT_FALSE(fs::exists(folder_ / "killed" / "report.json"));
  const auto weights_before = fs::last_write_time(folder_ / "killed" / "source.safetensors");

  const Outcome again = run(command("killed"), folder_ / "again");
  ASSERT_EQ(again.status, 0) << again.all();
  EXPECT_EQ(fs::last_write_time(folder_ / "killed" / "source.safetensors"), weights_before)
      << "the warm-up was done again";
  const Outcome calm = run(command("calm"), folder_ / "calm_run");
  ASSERT_EQ(calm.status, 0) << calm.all();
  EXPECT_THAT(calm.out, HasSubstr("report.html"));

  const auto report = this->report("killed");
  expect_schema(report, {"source_only", "adabn", "self_training", "random", "cover", "full", "plan"},
                kRounds);
  EXPECT_EQ(report.at("strategy"), "plan") << "the rounds name two strategies";
  EXPECT_EQ(report.at("seed"), 3);
  EXPECT_EQ(numbers(report), numbers(this->report("calm"))) << "a run that was killed came to other numbers";

  const auto last = [&](const char* arm) -> const nlohmann::json& {
    return arm_named(report, arm).at("rounds").back();
  };
  EXPECT_EQ(last("source_only").at("labelled_pixels"), 0);
  EXPECT_EQ(last("self_training").at("labelled_pixels"), 0);
  EXPECT_EQ(last("random").at("labelled_pixels"), last("cover").at("labelled_pixels"))
      << "not the same budget";
  EXPECT_EQ(last("plan").at("labelled_pixels"), last("cover").at("labelled_pixels"));
  EXPECT_GT(last("cover").at("labelled_pixels"), 0);
  const auto labelled = [&](const char* arm, int round) {
    return arm_named(report, arm).at("rounds").at(static_cast<std::size_t>(round)).at("labelled_pixels");
  };
  EXPECT_GT(labelled("full", 1), 8 * 96 * 64 / 2) << "all in the first round";
  EXPECT_EQ(labelled("full", 1), labelled("full", kRounds)) << "and nothing after it";
  for (int round = 0; round < kRounds; ++round)
    EXPECT_LT(labelled("plan", round), labelled("plan", round + 1)) << round;
  EXPECT_FALSE(report.at("pictures").empty()) << "of the plan's own arm";
  for (const auto& arm : report.at("arms"))
    EXPECT_EQ(arm.at("rounds").back().at("steps"), kSteps) << arm.at("name");

  const std::string page = config::read_file(folder_ / "killed" / "report.html");
  EXPECT_THAT(page, testing::Not(testing::ContainsRegex("(src|href)=\"https?:")));
  for (const auto& picture : report.at("pictures"))
    for (const auto& panel : picture.at("panels"))
      EXPECT_TRUE(fs::exists(folder_ / "killed" / panel.at("file").get<std::string>()));

  for (const char* arm : {"adabn", "cover", "plan"}) {
    const fs::path json = folder_ / "eval.json",
                   weights = folder_ / "killed" / arm_named(report, arm).at("weights").get<std::string>();
    const Outcome eval =
        run({kDriftloop, "eval", "--weights", weights.string(), "--data", kEval, "--json", json.string()},
            folder_ / "eval");
    ASSERT_EQ(eval.status, 0) << eval.all();
    const auto scores = read_json(json);
    EXPECT_NEAR(scores.at("miou").get<double>(), last(arm).at("miou").get<double>(), 1e-9) << arm;
    EXPECT_EQ(scores.at("per_class_iou").size(), 19u);
    EXPECT_EQ(scores.at("images"), 4);
  }
}

/// What the arm says it has done, in steps.
int progress_of(const fs::path& arm) {
  std::ifstream file(arm / "progress");
  int done = 0;
  file >> done;
  return done;
}

TEST_F(Bench, StoppedAndKilledInTheMiddleOfRoundsItComesToTheSameNumbers) {
  // A state after every step: each stop is in the middle of something.
  const std::string rounds = "rounds=[{times: 2, steps: 80, strategy: cover, budget: {share: 0.02}}]";
  const auto restless = command("restless", "cover", {rounds, "save_seconds=0"});
  const fs::path arm = folder_ / "restless" / "arms" / "cover";
  for (const int signal : {SIGTERM, SIGKILL, SIGTERM}) {
    const int before = progress_of(arm);
    auto bench = std::make_unique<daemon::ChildProcess>(restless, folder_ / "restless.log");
    ASSERT_TRUE(eventually([&] { return progress_of(arm) > before; })) << bench->last_words();
    if (signal == SIGKILL) {
      kill_with_arms(bench, folder_ / "restless");
      continue;
    }
    bench->terminate();
    ASSERT_TRUE(eventually([&] { return bench->wait(std::chrono::milliseconds(100)).has_value(); }));
    ASSERT_NE(*bench->wait(std::chrono::milliseconds(0)), 0) << "it ended before it could be stopped";
    EXPECT_THAT(bench->last_words(), HasSubstr("the same command goes on where this one was"));
  }
  const Outcome ended = run(restless, folder_ / "ended");
  ASSERT_EQ(ended.status, 0) << ended.all();
  const Outcome calm = run(command("calm", "cover", {rounds}), folder_ / "calm_run");
  ASSERT_EQ(calm.status, 0) << calm.all();
  EXPECT_EQ(numbers(report("restless")), numbers(report("calm")));
  EXPECT_FALSE(fs::exists(folder_ / "restless" / "source.safetensors.state")) << "the warm-up's own state";
}

TEST_F(Bench, SeveralSeedsHaveFoldersOfTheirOwnAndOneTable) {
  auto several = command("several", "random, cover, points, full",
                         {"variants=[{name: points, like: random, set: [engine.acquisition.region_px=1]}]",
                          "published=[{method: Somebody 2026, miou_percent: 45.5}]"});
  const auto seed = std::find(several.begin(), several.end(), "--seed");
  *seed = "--seeds";
  *(seed + 1) = "3,4";
  const Outcome made = run(several, folder_ / "several_run");
  ASSERT_EQ(made.status, 0) << made.all();
  EXPECT_THAT(made.out, HasSubstr("2 seeds (3, 4)"));
  for (const char* row :
       {"random regions", "cover", "points", "full supervision", "published: Somebody 2026"})
    EXPECT_THAT(made.out, HasSubstr(row));
  const Outcome table = run(
      {kDriftloop, "bench", "table", (folder_ / "several").string(), "--out", (folder_ / "page").string()},
      folder_ / "table");
  ASSERT_EQ(table.status, 0) << table.all();
  EXPECT_THAT(table.out, HasSubstr("published: Somebody 2026"));
  const auto mean = read_json(folder_ / "page" / "report.json");
  double of_seeds = 0;
  for (const char* folder : {"several/seed_3", "several/seed_4"}) {
    const auto of_seed = report(folder);
    of_seeds += arm_named(of_seed, "cover").at("rounds").back().at("miou").get<double>() / 2;
  }
  EXPECT_NEAR(arm_named(mean, "cover").at("rounds").back().at("miou").get<double>(), of_seeds, 1e-9);
  EXPECT_EQ(mean.at("sheets").size(), 1u);
  const auto first = report("several/seed_3");
  const auto& points = arm_named(first, "points").at("rounds").back();
  EXPECT_EQ(points.at("clicks"), points.at("regions")) << "a point is one click";
  EXPECT_THAT(config::read_file(folder_ / "page" / "report.html"), HasSubstr("Somebody 2026"));
  const Outcome again = run(several, folder_ / "again");
  EXPECT_EQ(again.status, 0) << again.all();
  EXPECT_THAT(run({kDriftloop, "bench", "table", (folder_ / "several" / "seed_3").string(),
                   (folder_ / "several").string()},
                  folder_ / "twice")
                  .err,
              HasSubstr("was run twice with seed 3"));
}

TEST_F(Bench, AStepIsTimedInItsParts) {
  const Outcome speed =
      run(with_sets({kDriftloop, "bench", "speed", "streetsim", "--steps", "2", "--beside", "demo"}, {}),
          folder_ / "speed");
  ASSERT_EQ(speed.status, 0) << speed.all();
  for (const char* said : {"waiting for images", "student forward", "backward", "a step as in a run",
                           "images/s", "memory of this process", "streetsim: deeplabv3plus_r18",
                           "demo: efficientnet_lite0", "streetsim, ms", "demo, ms"})
    EXPECT_THAT(speed.out, HasSubstr(said));
  const Outcome absent = run(with_sets({kDriftloop, "bench", "speed", "streetsim", "--beside", "papre"}, {}),
                             folder_ / "absent");
  EXPECT_EQ(absent.status, 1);
  EXPECT_THAT(absent.err, HasSubstr("papre"));
}

TEST_F(Bench, AModelIsScoredInWindowsAndItsPredictionsAreWritten) {
  const Outcome made = run(command("made", "source_only"), folder_ / "made_run");
  ASSERT_EQ(made.status, 0) << made.all();
  const std::string weights = (folder_ / "made" / "arms" / "source_only" / "model.safetensors").string();
  const auto eval = [&](std::vector<std::string> more) {
    std::vector<std::string> all{kDriftloop, "eval",   "--weights",
                                 weights,    "--data", "streetsim:street?frames=4&width=192&height=128"};
    all.insert(all.end(), more.begin(), more.end());
    return run(all, folder_ / "eval");
  };
  const std::string json = (folder_ / "eval.json").string();
  const Outcome views = eval({"--json", json, "--window", "48", "--multi-scale", "--flip"});
  ASSERT_EQ(views.status, 0) << views.all();
  const auto scores = read_json(json);
  for (const char* share : {"miou", "boundary_miou", "pixel_accuracy", "calibration_error"}) {
    EXPECT_GE(scores.at(share).get<double>(), 0) << share;
    EXPECT_LE(scores.at(share).get<double>(), 1) << share;
  }
  EXPECT_EQ(scores.at("space_miou").size(), 4u);
  EXPECT_DOUBLE_EQ(scores.at("space_miou").at("cityscapes19").get<double>(), scores.at("miou").get<double>());
  EXPECT_THAT(eval({"--window", "20"}).err, testing::HasSubstr("too small for a net"));

  const Outcome predicted = eval({"--predictions", (folder_ / "predictions").string()});
  ASSERT_EQ(predicted.status, 0) << predicted.all();
  int files = 0;
  for (const auto& file : fs::directory_iterator(folder_ / "predictions")) {
    const cv::Mat ids = cv::imread(file.path().string(), cv::IMREAD_UNCHANGED);
    ASSERT_EQ(ids.type(), CV_8UC1) << file.path();
    double least = 0, most = 0;
    cv::minMaxLoc(ids, &least, &most);
    EXPECT_GE(least, 7);  // the label id of road, the least of the 19
    EXPECT_LE(most, 33);
    ++files;
  }
  EXPECT_EQ(files, 4);
}

TEST_F(Bench, AnArmThatSharesATrainingComesToWhatItComesToAlone) {
  const Outcome both = run(command("both", "source_only, adabn"), folder_ / "both_run");
  ASSERT_EQ(both.status, 0) << both.all();
  EXPECT_FALSE(fs::exists(folder_ / "both" / "arms" / "adabn" / "state")) << "it was trained a second time";
  for (const char* arm : {"source_only", "adabn"}) {
    const Outcome alone = run(command(arm, arm), folder_ / (std::string(arm) + "_run"));
    ASSERT_EQ(alone.status, 0) << alone.all();
    EXPECT_EQ(numbers(report("both")).at(arm == std::string("adabn")), numbers(report(arm)).at(0)) << arm;
  }
  EXPECT_NE(arm_named(report("both"), "source_only").at("rounds").back().at("per_class_iou"),
            arm_named(report("both"), "adabn").at("rounds").back().at("per_class_iou"));
}

class Demo : public testing::Test {
 protected:
  test::TempFolder folder_;
};

TEST_F(Demo, RunsBothProgramsAndWritesItsReport) {
  const fs::path out = folder_ / "out";
  const Outcome demo = run(with_sets({kDriftloop, "demo", "--seed", "4", "--out", out.string()},
                                     {"rounds=[{times: 3, steps: 5, strategy: cover, budget: {share: 0.02}}]",
                                      "rounds[0].steps=4", "arms=[source_only, random, cover]"}),
                           folder_ / "run");
  ASSERT_EQ(demo.status, 0) << demo.all()
                            << (fs::exists(out / "live" / "driftloopd.log")
                                    ? config::read_file(out / "live" / "driftloopd.log")
                                    : "");
  EXPECT_THAT(demo.out, HasSubstr((out / "report.html").string()));
  const auto report = read_json(out / "report.json");
  expect_schema(report, {"source_only", "random", "cover"}, 3);
  const auto& live = arm_named(report, "cover").at("rounds").back();
  EXPECT_EQ(live.at("steps"), 3 * 4);
  EXPECT_GT(live.at("bytes_sent"), 0) << "the selected regions did not go over the link";
  EXPECT_EQ(live.at("labelled_pixels"), arm_named(report, "random").at("rounds").back().at("labelled_pixels"))
      << "not the same budget";
  EXPECT_TRUE(fs::exists(out / arm_named(report, "cover").at("weights").get<std::string>()));
  EXPECT_GT(fs::file_size(out / "report.html"), 10'000u);
  // Keys of the vehicle and the station, made for this demo.
  EXPECT_TRUE(fs::exists(out / "live" / "station" / "station.key"));
  EXPECT_EQ(fs::status(out / "live" / "station" / "station.key").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

}  // namespace
}  // namespace driftloop::e2e
