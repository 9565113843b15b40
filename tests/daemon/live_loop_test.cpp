// The loop with a tiny learner and a lab that answers out of the outbox, without a network: stops, kills at
// the seams between saved states, and labs that do not answer.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/live/live_loop.h"
#include "tests/daemon/live_world.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

class LiveLoopTest : public testing::Test {
 protected:
  DaemonOptions options(const std::string& name) {
    DaemonOptions o = tiny_options(folder_ / name);
    o.loop.weights = weights().string();
    return o;
  }
  fs::path weights() { return start_weights(folder_.path()); }
  /// The live model after one undisturbed round.
  std::string undisturbed() {
    Vehicle vehicle(options("undisturbed"));
    const Lab lab(vehicle, Answers::labels);
    EXPECT_EQ(vehicle.loop()->run(), LiveLoop::End::rounds_done);
    return config::read_file(live_weights(vehicle.state));
  }
  test::TempFolder folder_;
};

nlohmann::json only_record(const StateFolder& state) {
  const auto lines = read_rounds(state.rounds());
  EXPECT_EQ(lines.size(), 1u);
  return lines.empty() ? nlohmann::json() : nlohmann::json::parse(lines.front());
}

TEST_F(LiveLoopTest, OneRoundFromFramesToAPublishedModel) {
  Vehicle vehicle(options("one"));
  const Lab lab(vehicle, Answers::labels);
  const auto loop = vehicle.loop();
  const std::string before = config::read_file(weights());
  ASSERT_EQ(loop->run(), LiveLoop::End::rounds_done);
  const auto record = only_record(vehicle.state);
  EXPECT_EQ(record["round"], 1);
  EXPECT_EQ(record["steps"], 12);
  EXPECT_EQ(record["regions"], kRegions);
  EXPECT_EQ(record["labelled_pixels"], kRegions * 64);
  EXPECT_EQ(record["frames"], lab.frames().size());
  EXPECT_GE(record["guard_pixels"], 64);
  EXPECT_NE(record["verdict"], "no_guard");
  EXPECT_EQ(record["weights"], "models/round_1.safetensors");
  EXPECT_EQ(config::read_file(vehicle.state.round_weights(1)),
            config::read_file(live_weights(vehicle.state)));
  EXPECT_EQ(record["verdict"] == "promoted", config::read_file(live_weights(vehicle.state)) != before);
  for (const auto& frame : vehicle.store.list()) EXPECT_EQ(frame.unsent, 0);
  EXPECT_EQ(nlohmann::json::parse(config::read_file(vehicle.state.status()))["phase"], "done");
}

/// What this process has told the kernel to write, bytes; -1 where the kernel does not count.
std::int64_t bytes_written() {
  std::ifstream in("/proc/self/io");
  std::string key;
  for (std::int64_t value = 0; in >> key >> value;)
    if (key == "write_bytes:") return value;
  return -1;
}

TEST_F(LiveLoopTest, WeightsAreWrittenByTimeAndAtTheEndOfARoundNotAtEachStep) {
  const auto written_by_a_round = [&](const std::string& name, double save_every_s) {
    auto o = options(name);
    o.loop.save_every_s = save_every_s;
    Vehicle vehicle(o);
    const Lab lab(vehicle, Answers::labels);
    const auto before = bytes_written();
    EXPECT_EQ(vehicle.loop()->run(), LiveLoop::End::rounds_done);
    return bytes_written() - before;
  };
  const auto each_step = written_by_a_round("each_step", 0), by_time = written_by_a_round("by_time", 540);
  if (each_step <= 0) GTEST_SKIP() << "skipped: the kernel does not count writes to this disk";
  EXPECT_LT(static_cast<double>(by_time), 0.6 * static_cast<double>(each_step));
}

TEST_F(LiveLoopTest, StopInTrainingAndResumeIsTheUninterruptedRun) {
  const std::string expected = undisturbed();
  for (int start = 0; start < 40; ++start) {  // each start is stopped after its first steps
    Vehicle vehicle(options("stopped"));
    const Lab lab(vehicle, Answers::labels);
    const auto loop = vehicle.loop();
    const auto begin = loop->engine().step();
    std::jthread stopper([&](std::stop_token stop) {
      News tick;
      // "step N" is shown after each training step; the stop then falls somewhere into the next ones.
      const std::string at_begin = "step " + std::to_string(begin) + ",";
      while (!stop.stop_requested()) {
        const std::string line = vehicle.status.line();
        if (line.find("training") == 0 && line.find(at_begin) == std::string::npos) break;
        tick.wait(stop, std::chrono::milliseconds(1));
      }
      vehicle.stop.request_stop();
    });
    const auto end = loop->run();
    stopper.request_stop();
    stopper.join();
    EXPECT_EQ(vehicle.requests(), kRegions) << "asked twice";
    if (end == LiveLoop::End::stopped) continue;
    EXPECT_GT(start, 0) << "the run was never interrupted";
    EXPECT_EQ(config::read_file(live_weights(vehicle.state)), expected);
    EXPECT_EQ(only_record(vehicle.state)["regions"], kRegions);
    return;
  }
  FAIL() << "no start came to the end of the round";
}

/// Runs a round, then puts back the learner's state of the moment before the labels: what a SIGKILL after any
/// of the later writes, but before the next saved state, leaves behind.
TEST_F(LiveLoopTest, KillAfterQueueingLosesNothingAndAsksNothingTwice) {
  const std::string expected = undisturbed();
  const fs::path saved = folder_ / "saved_model";
  {
    Vehicle vehicle(options("killed"));
    const Lab lab(vehicle, Answers::labels,
                  [&] { fs::copy(vehicle.state.model(), saved, fs::copy_options::recursive); });
    vehicle.loop()->run();
  }
  fs::remove_all(folder_ / "killed" / "model");
  fs::rename(saved, folder_ / "killed" / "model");
  fs::remove_all(folder_ / "killed" / "live");
  Vehicle vehicle(options("killed"));
  ASSERT_EQ(vehicle.loop()->run(), LiveLoop::End::rounds_done);  // the labels are in the inbox: no lab needed
  EXPECT_EQ(vehicle.requests(), kRegions);
  EXPECT_EQ(config::read_file(live_weights(vehicle.state)), expected);
  EXPECT_EQ(only_record(vehicle.state)["regions"], kRegions);
}

TEST_F(LiveLoopTest, KillBeforeQueueingQueuesTheSavedChoice) {
  const fs::path saved = folder_ / "saved_model";
  std::vector<adapt::Region> asked;
  {
    Vehicle vehicle(options("killed"));
    const Lab lab(vehicle, Answers::labels,
                  [&] { fs::copy(vehicle.state.model(), saved, fs::copy_options::recursive); });
    const auto loop = vehicle.loop();
    loop->run();
    asked = loop->engine().asked();
  }
  // The choice is saved, the outbox never heard of it.
  fs::remove_all(folder_ / "killed" / "model");
  fs::rename(saved, folder_ / "killed" / "model");
  for (const char* suffix : {"", "-wal", "-shm"})
    fs::remove(folder_ / "killed" / (std::string("outbox.db") + suffix));
  Vehicle vehicle(options("killed"));
  const Lab lab(vehicle, Answers::labels);
  const auto loop = vehicle.loop();
  ASSERT_EQ(loop->run(), LiveLoop::End::rounds_done);
  EXPECT_EQ(vehicle.requests(), kRegions);
  ASSERT_EQ(loop->engine().asked().size(), asked.size());
  for (std::size_t i = 0; i < asked.size(); ++i) EXPECT_EQ(loop->engine().asked()[i].box_px, asked[i].box_px);
}

TEST_F(LiveLoopTest, DeadLabStopsAtOnceAndTheQueueStays) {
  auto o = options("dead");
  o.loop.label_wait_s = 0;
  {
    Vehicle vehicle(o);
    vehicle.stop.request_stop();
    EXPECT_EQ(vehicle.loop()->run(), LiveLoop::End::stopped);
    EXPECT_EQ(vehicle.requests(), 0);
  }
  Vehicle vehicle(o);
  const auto loop = vehicle.loop();
  std::jthread stopper([&] {
    News tick;
    while (vehicle.status.line().find("no label ever came") == std::string::npos)
      tick.wait({}, std::chrono::milliseconds(1));
    vehicle.stop.request_stop();
  });
  EXPECT_EQ(loop->run(), LiveLoop::End::stopped);
  EXPECT_EQ(vehicle.requests(), kRegions);
  EXPECT_EQ(loop->engine().step(), 0) << "nothing is learnt before the first label";
  int pinned = 0;
  for (const auto& frame : vehicle.store.list()) pinned += frame.unsent;
  EXPECT_EQ(pinned, kRegions);
}

TEST_F(LiveLoopTest, RefusedRegionsEndTheRoundWithoutTraining) {
  Vehicle vehicle(options("refused"));
  const Lab lab(vehicle, Answers::refusals);
  ASSERT_EQ(vehicle.loop()->run(), LiveLoop::End::rounds_done);
  const auto record = only_record(vehicle.state);
  EXPECT_EQ(record["steps"], 0);
  EXPECT_EQ(record["verdict"], "no_guard");
  EXPECT_NE(record["guard_note"], "");
}

TEST_F(LiveLoopTest, RegionsThatTheStationNeverTakesEndTheRoundAndLetTheirFramesGo) {
  Vehicle vehicle(options("turned_away"));
  const Lab lab(vehicle, Answers::none_taken);
  ASSERT_EQ(vehicle.loop()->run(), LiveLoop::End::rounds_done);
  EXPECT_EQ(only_record(vehicle.state)["steps"], 0);
  EXPECT_EQ(vehicle.outbox.stats().refused, kRegions);
  for (const auto& frame : vehicle.store.list()) EXPECT_EQ(frame.unsent, 0) << frame.name;
}

/// How many safetensors files whose name begins so were damaged.
int damage(const fs::path& folder, const std::string& name) {
  int damaged = 0;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().filename().string().starts_with(name) && entry.path().extension() == ".safetensors") {
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(static_cast<std::streamoff>(fs::file_size(entry.path()) / 2));
      file.put('x').put('y').put('z');
      ++damaged;
    }
  return damaged;
}

TEST_F(LiveLoopTest, ADamagedLiveModelIsTakenFromWhereItWasPublished) {
  auto o = options("spare");
  o.engine.guard.min_pixels = 1'000'000;  // the candidate never goes live: the two stay apart
  {
    Vehicle vehicle(o);
    const Lab lab(vehicle, Answers::labels);
    ASSERT_EQ(vehicle.loop()->run(), LiveLoop::End::rounds_done);
  }
  ASSERT_GT(damage(folder_ / "spare" / "model", "live_"), 0);
  Vehicle vehicle(o);
  const auto loop = vehicle.loop();
  EXPECT_EQ(loop->engine().step(), 12) << "what was learnt is kept";
  EXPECT_EQ(loop->engine().labels().regions, kRegions);
  loop->engine().live().save(folder_ / "now.safetensors");
  EXPECT_TRUE(config::read_file(folder_ / "now.safetensors") == config::read_file(weights()));
}

TEST_F(LiveLoopTest, DamagedWeightsCostTrainingAndNotALabel) {
  {
    Vehicle vehicle(options("damaged"));
    const Lab lab(vehicle, Answers::labels);
    vehicle.loop()->run();
  }
  ASSERT_GT(damage(folder_ / "damaged" / "model", "state_"), 0);
  auto o = options("damaged");
  o.loop.rounds[0].times = 2;
  Vehicle vehicle(o);
  const Lab lab(vehicle, Answers::labels);
  const auto loop = vehicle.loop();
  EXPECT_EQ(loop->engine().labels().regions, kRegions) << "what was answered is still known";
  EXPECT_EQ(loop->run(), LiveLoop::End::rounds_done);
  EXPECT_EQ(vehicle.requests(), 2 * kRegions) << "nothing is asked twice";
}

/// Runs the loop until so many rounds are recorded.
void run_rounds(Vehicle& vehicle, std::size_t rounds) {
  std::jthread stopper([&](std::stop_token stop) {
    News tick;
    while (!stop.stop_requested() && read_rounds(vehicle.state.rounds()).size() < rounds)
      tick.wait(stop, std::chrono::milliseconds(2));
    vehicle.stop.request_stop();
  });
  EXPECT_EQ(vehicle.loop()->run(), LiveLoop::End::stopped);
}

std::vector<int> steps_of_rounds(const StateFolder& state) {
  std::vector<int> steps;
  for (const auto& line : read_rounds(state.rounds())) steps.push_back(nlohmann::json::parse(line)["steps"]);
  return steps;
}

TEST_F(LiveLoopTest, RoundsOfTheListFollowEachOtherOverARestart) {
  auto o = options("list");
  o.loop.rounds.push_back(
      {.times = std::nullopt, .steps = 5, .strategy = config::Chosen("entropy"), .budget = {.regions = 2}});
  {
    Vehicle vehicle(o);
    const Lab lab(vehicle, Answers::labels);
    run_rounds(vehicle, 2);
    EXPECT_EQ(lab.strategies().at(1), std::set<std::string>{o.loop.rounds.front().strategy.name()});
    EXPECT_EQ(lab.strategies().at(2), std::set<std::string>{"entropy"});
  }
  Vehicle vehicle(o);
  const Lab lab(vehicle, Answers::labels);
  run_rounds(vehicle, 4);
  const auto steps = steps_of_rounds(vehicle.state);
  ASSERT_GE(steps.size(), 4u) << "the last entry has no end";
  EXPECT_EQ((std::vector<int>(steps.begin(), steps.begin() + 4)), (std::vector<int>{12, 17, 22, 27}));
  const auto fourth = nlohmann::json::parse(read_rounds(vehicle.state.rounds())[3]);
  EXPECT_EQ(fourth["asked_regions"], kRegions + 3 * 2);
}

TEST_F(LiveLoopTest, ARoundThatAsksForNothingGoesStraightToTraining) {
  for (const bool before_labels : {true, false}) {
    auto o = options(before_labels ? "warm" : "cold");
    o.engine.selftrain.before_labels = before_labels;
    o.loop.replay = "streetsim:game?frames=2&width=64&height=48";
    o.loop.rounds.insert(o.loop.rounds.begin(), RoundOptions{.steps = 3, .budget = {.regions = 0}});
    Vehicle vehicle(o);
    const Lab lab(vehicle, Answers::labels);
    ASSERT_EQ(vehicle.loop()->run(), LiveLoop::End::rounds_done);
    EXPECT_EQ(vehicle.requests(), kRegions);
    EXPECT_FALSE(lab.strategies().contains(1));
    EXPECT_EQ(steps_of_rounds(vehicle.state), (before_labels ? std::vector{3, 15} : std::vector{0, 12}));
  }
}

TEST_F(LiveLoopTest, AnEndlessListThatAsksForNothingWaits) {
  auto o = options("silent");
  o.loop.rounds = {{.times = std::nullopt, .budget = {.regions = 0}}};
  Vehicle vehicle(o);
  std::jthread stopper([&] {
    News tick;
    while (vehicle.status.line().find("nothing to learn from") == std::string::npos)
      tick.wait({}, std::chrono::milliseconds(1));
    vehicle.stop.request_stop();
  });
  EXPECT_EQ(vehicle.loop()->run(), LiveLoop::End::stopped);
  EXPECT_THAT(read_rounds(vehicle.state.rounds()), testing::IsEmpty())
      << "it went round without doing anything";
}

TEST_F(LiveLoopTest, AReloadBringsMoreRounds) {
  auto o = options("more");
  o.loop.at_end = "idle";
  Vehicle vehicle(o);
  const Lab lab(vehicle, Answers::labels);
  std::jthread reloader([&] {
    News tick;
    while (vehicle.status.line().find("done") != 0) tick.wait({}, std::chrono::milliseconds(1));
    auto pace = o.loop;
    pace.rounds.push_back({.steps = 4, .budget = {.regions = 1}});
    pace.at_end = "exit";
    vehicle.pace.set(pace);
    vehicle.news.tell();
  });
  ASSERT_EQ(vehicle.loop()->run(), LiveLoop::End::rounds_done);
  EXPECT_EQ(steps_of_rounds(vehicle.state), (std::vector{12, 16}));
  EXPECT_EQ(vehicle.requests(), kRegions + 1);
}

TEST_F(LiveLoopTest, ABudgetOfBytesIsOneOfRegions) {
  auto o = options("bytes");
  CodecOptions codec;
  codec.context_px = o.loop.context_px;
  const double region = expected_bytes(o.engine.acquisition.region_px, codec);
  o.loop.rounds[0].budget = {.bytes = static_cast<std::int64_t>(3.5 * region)};
  Vehicle vehicle(o);
  const Lab lab(vehicle, Answers::labels);
  ASSERT_EQ(vehicle.loop()->run(), LiveLoop::End::rounds_done);
  EXPECT_EQ(vehicle.requests(), 3) << "before any was sent by what one is expected to take";
}

TEST_F(LiveLoopTest, StartsOnlyFromAModel) {
  auto o = options("none");
  o.loop.weights.clear();
  Vehicle vehicle(o);
  try {
    vehicle.loop();
    FAIL() << "started";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("loop.weights"));
  }
}

TEST_F(LiveLoopTest, StateOfAnotherModelIsRefused) {
  {
    Vehicle vehicle(options("other"));
    vehicle.loop();
  }
  auto o = options("other");
  o.engine.model.width = 0.125;
  Vehicle vehicle(o);
  EXPECT_THROW(vehicle.loop(), Error);
}

TEST_F(LiveLoopTest, NoFramesAtAllIsSaid) {
  auto o = options("empty");
  o.loop.min_frames = 1;
  Vehicle vehicle(o);
  fs::remove_all(folder_ / "other_frames");
  auto empty = o.store;
  empty.folder = folder_ / "other_frames";
  capture::FrameStore store(empty);
  LiveLoop loop({vehicle.options, vehicle.pace, vehicle.state, store, vehicle.outbox, vehicle.status,
                 vehicle.health, vehicle.news},
                vehicle.stop.get_token());
  try {
    loop.run();
    FAIL() << "ran on nothing";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("no frame"));
  }
}

}  // namespace
}  // namespace driftloop::daemon
