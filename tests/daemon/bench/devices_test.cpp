// One run shared by several processes, as they are really started: over Gloo, on the CPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "adapt/engine.h"
#include "config/durable_file.h"
#include "daemon/bench/run_ranks.h"
#include "daemon/child_process.h"
#include "tests/support/error_of.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

std::string program() {
  const char* path = std::getenv("DRIFTLOOP");
  return path == nullptr ? "" : path;
}

/// Without anything that each process draws for itself: dropout, and what is mixed into images.
const std::vector<std::string> kTiny = {
    "source=streetsim:game?frames=8&stride=40&width=96&height=64",
    "target=streetsim:street?frames=8&stride=8&seed=7&width=96&height=64",
    "eval=streetsim:street?frames=3&stride=40&seed=1001&width=96&height=64",
    "start=\"\"",
    "engine.device=cpu",
    "engine.threads=1",
    "engine.model.name=deeplabv3plus_r18",
    "engine.model.aspp_rate=3",
    "engine.model.width=0.0625",
    "engine.model.dropout=0",
    "engine.input.crop_width_px=64",
    "engine.input.crop_height_px=48",
    "engine.train.freeze=[]",
    "engine.train.optimiser=sgd",
    "engine.train.rate=0.001",
    "engine.guard.enabled=true",
    "engine.guard.min_pixels=64",
    "arms=[cover]",
    "warmup_steps=4"};

class Devices : public testing::Test {
 protected:
  void SetUp() override { ASSERT_FALSE(program().empty()) << "DRIFTLOOP is the program"; }

  std::vector<std::string> command(const std::string& out, const std::vector<std::string>& words,
                                   const std::vector<std::string>& sets) const {
    std::vector<std::string> all{
        program(), "bench", "streetsim", "--seed", "3", "--out", (folder_ / out).string()};
    all.insert(all.end(), words.begin(), words.end());
    for (const auto* each : {&kTiny, &sets})
      for (const auto& set : *each) all.insert(all.end(), {"--set", set});
    return all;
  }
  std::string words_of(const std::string& out) const { return config::read_file(folder_ / (out + ".log")); }
  int run(const std::string& out, const std::vector<std::string>& words,
          const std::vector<std::string>& sets) const {
    ChildProcess process(command(out, words, sets), folder_ / (out + ".log"));
    return process.wait(std::chrono::minutes(4)).value_or(-1);
  }
  nlohmann::json rounds(const std::string& out) const {
    return nlohmann::json::parse(config::read_file(folder_ / out / "report.json"))
        .at("arms")
        .at(0)
        .at("rounds");
  }
  std::vector<adapt::Region> asked(const std::string& out) const {
    return adapt::asked_in(folder_ / out / "arms" / "cover" / "state").value();
  }
  static std::vector<std::string> with_batch(int each, std::vector<std::string> more) {
    for (const char* part : {"engine.train.batch_source=", "engine.train.batch_target="})
      more.push_back(part + std::to_string(each));
    return more;
  }

  test::TempFolder folder_;
};

void expect_same_regions(const std::vector<adapt::Region>& a, const std::vector<adapt::Region>& b,
                         std::size_t count) {
  ASSERT_GE(a.size(), count);
  ASSERT_GE(b.size(), count);
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_EQ(a[i].frame_id, b[i].frame_id) << i;
    EXPECT_EQ(a[i].box_px, b[i].box_px) << i;
    EXPECT_EQ(a[i].score, b[i].score) << i;
  }
}

TEST_F(Devices, TwoProcessesDoWhatOneDoesWithTheDoubleBatch) {
  const std::string rounds_of = "rounds=[{times: 2, steps: 4, strategy: cover, budget: {share: 0.05}}]";
  ASSERT_EQ(run("one", {}, with_batch(4, {rounds_of})), 0) << words_of("one");
  ASSERT_EQ(run("two", {"--devices", "2"}, with_batch(2, {rounds_of})), 0) << words_of("two");
  const auto one = rounds("one"), two = rounds("two");
  ASSERT_EQ(one.size(), two.size());
  for (std::size_t r = 1; r < one.size(); ++r)
    for (const char* term : {"source", "target"}) {
      const double expected = one[r].at("losses").at(term);
      EXPECT_GT(expected, 0) << r << term;
      EXPECT_NEAR(two[r].at("losses").at(term).get<double>(), expected, 2e-3 * expected) << r << term;
    }
  EXPECT_EQ(one[2].at("regions"), two[2].at("regions"));
  EXPECT_EQ(one[2].at("steps"), two[2].at("steps"));
}

TEST_F(Devices, FromTheSameWeightsTheyAskForTheSameRegions) {
  ASSERT_EQ(run("weights", {}, with_batch(2, {"rounds=[{steps: 1, budget: {regions: 0}}]"})), 0)
      << words_of("weights");
  const std::vector<std::string> sets{"start=" + (folder_ / "weights" / "source.safetensors").string(),
                                      "warmup_steps=0",
                                      "rounds=[{steps: 2, strategy: cover, budget: {share: 0.2}}]"};
  ASSERT_EQ(run("one", {}, with_batch(2, sets)), 0) << words_of("one");
  ASSERT_EQ(run("three", {"--devices", "3"}, with_batch(2, sets)), 0) << words_of("three");
  const auto alone = asked("one");
  ASSERT_GT(alone.size(), 10u);
  expect_same_regions(alone, asked("three"), alone.size());
}

TEST_F(Devices, AKilledProcessEndsTheRunWithOneLineAndItGoesOn) {
  const std::vector<std::string> sets = with_batch(
      2, {"rounds=[{times: 2, steps: 60, strategy: cover, budget: {share: 0.05}}]", "save_seconds=0"});
  const fs::path arm = folder_ / "killed" / "arms" / "cover";
  {
    ChildProcess bench(command("killed", {"--devices", "2"}, sets), folder_ / "killed.log");
    const auto progress = [&] {
      int done = 0;
      std::ifstream(arm / "progress") >> done;
      return done;
    };
    for (int i = 0; i < 1200 && progress() < 3; ++i) bench.wait(std::chrono::milliseconds(100));
    bool killed = false;
    for (const auto& process : fs::directory_iterator("/proc")) {
      const std::string name = process.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      std::ifstream file(process.path() / "cmdline");
      const std::string line{std::istreambuf_iterator<char>(file), {}};
      if (line.find((folder_ / "killed").string() + '\0') == std::string::npos ||
          line.find(std::string("--rank") + '\0' + "1" + '\0') == std::string::npos)
        continue;
      ::kill(std::stoi(name), SIGKILL);
      killed = true;
    }
    ASSERT_TRUE(killed) << words_of("killed");
    ASSERT_EQ(bench.wait(std::chrono::minutes(2)), 1) << words_of("killed");
  }
  EXPECT_THAT(words_of("killed"), HasSubstr("the same command goes on"));
  EXPECT_THAT(words_of("killed"), testing::ContainsRegex("of 2"));
  ASSERT_EQ(run("killed", {"--devices", "2"}, sets), 0) << words_of("killed");
  ASSERT_EQ(run("calm", {"--devices", "2"}, with_batch(2, {sets[0]})), 0) << words_of("calm");
  auto after = rounds("killed"), calm = rounds("calm");
  for (auto* all : {&after, &calm})
    for (auto& round : *all)
      for (const char* measured : {"seconds", "frame_ms", "memory_bytes"}) round.erase(measured);
  EXPECT_EQ(after, calm) << "a run that lost a process came to other numbers";
}

TEST_F(Devices, StartedAsTheFieldDoesTheyMeetByTheEnvironment) {
  const std::vector<std::string> sets =
      with_batch(2, {"rounds=[{steps: 3, strategy: cover, budget: {share: 0.05}}]"});
  ::setenv("WORLD_SIZE", "2", 1);
  ::setenv("MASTER_ADDR", "127.0.0.1", 1);
  ::setenv("MASTER_PORT", std::to_string(free_port()).c_str(), 1);
  std::vector<std::unique_ptr<ChildProcess>> ranks;
  for (const char* rank : {"0", "1"}) {
    ::setenv("RANK", rank, 1);
    ::setenv("LOCAL_RANK", rank, 1);
    ranks.push_back(std::make_unique<ChildProcess>(command("meeting", {}, sets),
                                                   folder_ / (std::string("rank_") + rank)));
  }
  ::setenv("RANK", "2", 1);
  EXPECT_THAT(test::error_of(meeting_of_environment),
              HasSubstr("RANK is '2': it must be a number from 0 to 1"));
  ::unsetenv("RANK");
  EXPECT_THAT(test::error_of(meeting_of_environment), HasSubstr("RANK is missing"));
  for (const char* name : {"WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", "LOCAL_RANK"}) ::unsetenv(name);
  EXPECT_FALSE(meeting_of_environment());
  for (auto& rank : ranks) EXPECT_EQ(rank->wait(std::chrono::minutes(3)), 0) << rank->last_words();
  ASSERT_EQ(run("started", {"--devices", "2"}, sets), 0) << words_of("started");
  EXPECT_EQ(rounds("meeting").back().at("losses"), rounds("started").back().at("losses"));
  EXPECT_TRUE(fs::exists(folder_ / "meeting" / "report.html"));
}

}  // namespace
}  // namespace driftloop::daemon
