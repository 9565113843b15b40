// driftloopd as a process: what it says to good and bad settings.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "config/durable_file.h"
#include "daemon/live/state_folder.h"
#include "tests/support/temp_folder.h"
#include "uplink/keys.h"

namespace driftloop::daemon {
namespace {
using testing::HasSubstr;

struct Outcome {
  int status;
  std::string output;  // both streams
};

Outcome run(const std::string& arguments) {
  const char* program = std::getenv("DRIFTLOOPD");
  EXPECT_NE(program, nullptr) << "set DRIFTLOOPD to the program";
  FILE* pipe = popen(('\'' + std::string(program ? program : "") + "' " + arguments + " 2>&1").c_str(), "r");
  Outcome outcome{-1, {}};
  char buffer[4096];
  for (std::size_t got = 0; (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    outcome.output.append(buffer, got);
  outcome.status = WEXITSTATUS(pclose(pipe));
  return outcome;
}

class Program : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("STATE_DIRECTORY");
    const auto keys = uplink::generate_keys();
    uplink::save_keys(keys, folder_.path(), "car7");
    uplink::save_keys(uplink::generate_keys(), folder_.path(), "station");
    std::filesystem::create_directories(folder_ / "drive");
    write(good_);
  }
  void write(const std::string& text) { config::write_durably(folder_ / "d.yaml", text); }
  std::string file() const { return "--config " + (folder_ / "d.yaml").string(); }

  test::TempFolder folder_;
  std::string good_ =
      "vehicle_id: car7\nstate: " + (folder_ / "state").string() + "\ncamera:\n  uri: images://" +
      (folder_ / "drive").string() + "\nlink:\n  station_public_key: " + (folder_ / "station.pub").string() +
      "\n  secret_key_file: " + (folder_ / "car7.key").string() + "\n  station_endpoint: tcp://127.0.0.1:1\n";
  std::string start_ = "loop:\n  replay: streetsim:game?frames=4\n  warmup_steps: 2\n";
};

TEST_F(Program, GoodSettingsAreGoodAndNothingIsMade) {
  std::ofstream(folder_ / "drive" / "a.jpg") << "a camera is not read from when settings are looked at";
  write(good_ + start_);
  const auto outcome = run(file() + " --check-config");
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("good; vehicle car7"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "state"));
}

TEST_F(Program, APasswordOfTheCameraIsNotShown) {
  write(good_ + start_);
  const auto outcome = run(file() + " --check-config --set camera.uri=rtsp://admin:hunter2@127.0.0.1:9/s");
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("rtsp://***@127.0.0.1:9/s"));
  EXPECT_THAT(outcome.output, testing::Not(HasSubstr("hunter2")));
}

TEST_F(Program, BadSettingsAreOneLineWithItsPlace) {
  write(good_ + "loop:\n  label_shar: 0.5\n");
  const auto outcome = run(file() + " --check-config");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("d.yaml:10:3"));
  EXPECT_THAT(outcome.output, HasSubstr("label_share"));
  EXPECT_EQ(std::count(outcome.output.begin(), outcome.output.end(), '\n'), 1) << outcome.output;
}

TEST_F(Program, EveryMistakeIsALineWithItsKeyAndPlace) {
  write(good_ + start_ + "  weights:\nengine:\n  device: tpu\n");
  const auto outcome = run(file() + " --check-config --set link.station_endpoint=nonsense");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output,
              testing::ContainsRegex("fail  .*d.yaml:14:11: engine.device: 'tpu' is no device"));
  EXPECT_THAT(outcome.output,
              HasSubstr("fail  --set link.station_endpoint=nonsense: link.station_endpoint:"));
  EXPECT_THAT(outcome.output, testing::ContainsRegex("fail  .*d.yaml:4:8: camera.uri: .*there is no .jpg"));
  EXPECT_THAT(outcome.output, testing::Not(HasSubstr("good; vehicle")));
  EXPECT_THAT(outcome.output, testing::Not(HasSubstr("null"))) << "a blank value is not a file called null";
}

TEST_F(Program, MissingFileIsNamed) {
  const auto outcome = run("--config " + (folder_ / "nowhere.yaml").string() + " --check-config");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("nowhere.yaml"));
}

TEST_F(Program, SecondDaemonOnOneStateIsRefused) {
  const StateFolder held(folder_ / "state");
  const auto outcome = run(file());
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.output, HasSubstr("in use by another driftloopd"));
}

TEST_F(Program, HelpTeaches) {
  const auto outcome = run("--help");
  EXPECT_EQ(outcome.status, 0);
  for (const char* word : {"loop.weights", "driftloop status", "SIGHUP", "--check-config"})
    EXPECT_THAT(outcome.output, HasSubstr(word));
}

}  // namespace
}  // namespace driftloop::daemon
