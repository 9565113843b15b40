// The vehicle stays whole: what is wrong with one part of it (a camera, the learner's state) is said, and the
// rest goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>

#include <fstream>

#include "config/durable_file.h"
#include "tests/e2e/loop_world.h"
#include "tests/e2e/on_a_drive.h"
#include "uplink/outbox.h"

namespace driftloop::e2e {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

class Whole : public OnADrive {
 protected:
  bool vehicle_lives() { return !world_.vehicle->wait(std::chrono::milliseconds(0)).has_value(); }
  /// In this run of the vehicle.
  int receipted() const { return world_.status().value("/link/regions_receipted"_json_pointer, 0); }
  std::string phase() const { return world_.status().value("phase", ""); }

  /// Regions are queued, and the vehicle stopped before the station ever came up.
  void queue_regions() {
    world_.endpoint = "tcp://127.0.0.1:1";
    world_.start_vehicle();
    ASSERT_TRUE(eventually([&] { return phase() == "waiting" || !vehicle_lives(); })) << world_.logs();
    world_.vehicle->terminate();
    ASSERT_EQ(world_.vehicle->wait(kPatience), 0) << world_.logs();
    ASSERT_EQ(uplink::Outbox(world_.vehicle_state / "outbox.db").stats().queued, kAskedPerRound);
    world_.endpoint.clear();
  }

  /// The vehicle with `sets` delivers what is queued and keeps running, and its status has `words`.
  void expect_degraded_and_delivering(const std::vector<std::string>& sets, const std::string& words) {
    world_.start_station();
    world_.start_vehicle(sets);
    EXPECT_TRUE(eventually([&] { return receipted() == kAskedPerRound || !vehicle_lives(); }))
        << world_.logs();
    EXPECT_TRUE(eventually([&] {
      return world_.status().dump().find(words) != std::string::npos || !vehicle_lives();
    })) << world_.status().dump(2)
        << world_.logs();
    ASSERT_TRUE(vehicle_lives()) << "it ended because of one bad part\n" << world_.logs();
    world_.vehicle->terminate();
    EXPECT_EQ(world_.vehicle->wait(std::chrono::seconds(5)), 0) << world_.logs();
    EXPECT_EQ(uplink::Outbox(world_.vehicle_state / "outbox.db").stats().receipted, kAskedPerRound)
        << world_.logs();
  }

  LoopWorld world_{drive()};
};

TEST_F(Whole, AnUnknownCameraSchemeLeavesTheLinkUp) {
  queue_regions();
  expect_degraded_and_delivering({"camera.uri=v4l3:///dev/video0"}, "v4l3");
}

TEST_F(Whole, ACorruptFileLeavesTheLinkUp) {
  queue_regions();
  std::ofstream(world_.folder / "drive.mkv") << "this is no film";
  expect_degraded_and_delivering({"camera.uri=file://" + (world_.folder / "drive.mkv").string()},
                                 "drive.mkv");
}

TEST_F(Whole, AMissingPluginLeavesTheLinkUp) {
  queue_regions();
  expect_degraded_and_delivering({"camera.uri=nosuchsource ! videoconvert"}, "nosuchsource");
}

TEST_F(Whole, AChangedSeedLeavesTheLinkUp) {
  queue_regions();
  expect_degraded_and_delivering({"seed=6"}, "another seed");
}

TEST_F(Whole, AChangedModelLeavesTheLinkUp) {
  queue_regions();
  expect_degraded_and_delivering({"engine.model.width=0.125"}, "another model");
}

TEST_F(Whole, AKeyThatIsMendedIsTakenWithoutARestart) {
  queue_regions();
  const fs::path key = world_.folder / "later.key";
  config::write_durably(key, "not a key\n", 0600);
  world_.start_station();
  world_.start_vehicle({"link.secret_key_file=" + key.string()});
  EXPECT_TRUE(eventually([&] {
    return world_.status().dump().find("later.key") != std::string::npos || !vehicle_lives();
  })) << world_.logs();
  ASSERT_TRUE(vehicle_lives()) << world_.logs();
  config::write_durably(key, config::read_file(world_.folder / "keys" / "car7.key"), 0600);
  EXPECT_TRUE(eventually([&] { return receipted() == kAskedPerRound || !vehicle_lives(); })) << world_.logs();
  EXPECT_TRUE(vehicle_lives()) << world_.logs();
}

TEST_F(Whole, RoundsThatAreDoneIdleAndAreNotDoneAgain) {
  world_.start_station();
  world_.start_vehicle({"loop.rounds[0].times=1", "loop.at_end=idle"});
  ASSERT_TRUE(eventually([&] { return phase() == "done" || !vehicle_lives(); })) << world_.logs();
  // Three looks of the loop later it is still there.
  EXPECT_FALSE(world_.vehicle->wait(std::chrono::milliseconds(1500))) << world_.logs();
  EXPECT_EQ(world_.status().value("running", false), true);
  EXPECT_EQ(world_.rounds().size(), 1u);
  world_.vehicle->terminate();
  EXPECT_EQ(world_.vehicle->wait(std::chrono::seconds(5)), 0) << world_.logs();
}

TEST_F(Whole, SigtermEndsItAlthoughACameraHangsInItsDriver) {
  const fs::path pipe = world_.folder / "silent";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);  // opening it for reading blocks until a writer comes: never
  world_.start_station();
  world_.start_vehicle({"camera.uri=filesrc location=" + pipe.string() + " ! decodebin ! videoconvert"});
  ASSERT_TRUE(eventually([&] {
    return world_.status().value("/link/connected"_json_pointer, false) || !vehicle_lives();
  })) << world_.logs();
  world_.vehicle->terminate();
  EXPECT_EQ(world_.vehicle->wait(std::chrono::seconds(6)), 0) << "5 s are promised\n" << world_.logs();
}

/// What the kernel has been told to write for the process, bytes; page cache that is overwritten counts each
/// time.
std::int64_t bytes_written(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/io");
  std::string key;
  for (std::int64_t value = 0; in >> key >> value;)
    if (key == "write_bytes:") return value;
  return -1;
}

TEST_F(Whole, WaitingForLabelsHardlyWritesToTheFlash) {
  // As systemd gives it: in memory.
  const fs::path run = "/dev/shm/driftloop-test-" + std::to_string(::getpid());
  if (std::error_code error; !fs::create_directory(run, error)) GTEST_SKIP() << "skipped: no /dev/shm";
  ::setenv("RUNTIME_DIRECTORY", run.c_str(), 1);
  world_.status_file = run / "status.json";
  world_.endpoint = "tcp://127.0.0.1:1";
  world_.start_vehicle();
  ::unsetenv("RUNTIME_DIRECTORY");
  ASSERT_TRUE(eventually([&] { return phase() == "waiting" || !vehicle_lives(); })) << world_.logs();
  const std::int64_t before = bytes_written(world_.vehicle->pid());
  if (before < 0) GTEST_SKIP() << "skipped: this kernel does not count what a process writes";
  constexpr int kSeconds = 10;
  EXPECT_FALSE(world_.vehicle->wait(std::chrono::seconds(kSeconds))) << world_.logs();
  const double a_day = static_cast<double>(bytes_written(world_.vehicle->pid()) - before) * 86'400 / kSeconds;
  std::printf("waiting writes %.0f MB a day\n", a_day / 1e6);
  EXPECT_LE(a_day, 1e9);
  world_.vehicle->terminate();
  EXPECT_EQ(world_.vehicle->wait(kPatience), 0) << world_.logs();
  fs::remove_all(run);
}

}  // namespace
}  // namespace driftloop::e2e
