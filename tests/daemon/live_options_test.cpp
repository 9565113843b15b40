#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "adapt/acquisition/cover.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "config/layers.h"
#include "daemon/live/daemon_options.h"
#include "tests/support/temp_folder.h"
#include "uplink/keys.h"

namespace driftloop::daemon {
namespace {
using testing::HasSubstr;

std::string problem_of(const DaemonOptions& options) {
  try {
    check_options(options);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

class LiveOptions : public testing::Test {
 protected:
  void SetUp() override {
    unsetenv("STATE_DIRECTORY");
    unsetenv("CREDENTIALS_DIRECTORY");
  }
  void TearDown() override { SetUp(); }

  DaemonOptions good() {
    DaemonOptions o = read_options("", {"vehicle_id=car7", "camera.uri=test://ball", "state=/tmp/car7"});
    o.link.station_public_key = uplink::generate_keys().public_z85;
    return o;
  }
  test::TempFolder folder_;
};

TEST_F(LiveOptions, DefaultsRoundTripThroughYaml) {
  DaemonOptions options = good();
  options.loop.label_share = 0.25;
  options.engine.model.width = 0.0625;
  const std::string yaml = config::to_yaml(options, config::Comments::help);
  config::write_durably(folder_ / "d.yaml", yaml);
  const DaemonOptions back = read_options(folder_ / "d.yaml", {});
  EXPECT_EQ(config::to_yaml(back), config::to_yaml(options));
  EXPECT_EQ(problem_of(back), "");
}

TEST_F(LiveOptions, StoredSettingsHaveNoPassword) {
  for (const std::string uri :
       {"rtsp://admin:hunter2@cam/s",
        "rtspsrc location=\"rtsp://admin:hunter2@cam/s\" user-pw=\"x hunter2\" ! decodebin"}) {
    DaemonOptions options = good();
    options.camera.uri = uri;
    const std::string text = stored_text(options);
    EXPECT_THAT(text, testing::Not(HasSubstr("hunter2")));
    config::write_durably(folder_ / "d.yaml", text);
    EXPECT_THAT(read_options(folder_ / "d.yaml", {}).camera.uri, HasSubstr("***@cam/s"));
  }
}

TEST_F(LiveOptions, EnvironmentOfAServiceFillsIn) {
  setenv("STATE_DIRECTORY", "/var/lib/driftloop:/var/lib/other", 1);
  setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1);
  const auto o = read_options("", {"vehicle_id=car7"});
  EXPECT_EQ(o.state, "/var/lib/driftloop");
  EXPECT_EQ(o.store.folder, "/var/lib/driftloop/frames");
  EXPECT_EQ(o.link.secret_key_file, "/run/credentials/x/vehicle.key");
  EXPECT_EQ(o.link.vehicle_id, "car7");
  EXPECT_EQ(read_options("", {"state=/else"}).state, "/else");
}

TEST_F(LiveOptions, MistakesNameTheKeyAndTheRemedy) {
  auto o = good();
  EXPECT_EQ(problem_of(o), "");
  o.vehicle_id = "car 7";
  EXPECT_THAT(problem_of(o), HasSubstr("set vehicle_id"));
  o = good();
  o.link.vehicle_id = "other";
  EXPECT_THAT(problem_of(o), HasSubstr("link.vehicle_id"));
  o = good();
  o.camera.uri.clear();
  EXPECT_THAT(problem_of(o), HasSubstr("camera.uri"));
  o = good();
  o.link.station_public_key.clear();
  EXPECT_THAT(problem_of(o), HasSubstr("link.station_public_key"));
  o = good();
  o.link.station_public_key = (folder_ / "nowhere.pub").string();
  EXPECT_THAT(problem_of(o), HasSubstr("nowhere.pub"));
  o = good();
  o.state.clear();
  EXPECT_THAT(problem_of(o), HasSubstr("state folder"));
  o = good();
  o.gate.min_brightness = 250;
  EXPECT_THAT(problem_of(o), HasSubstr("gate.min_brightness"));
}

TEST_F(LiveOptions, UnknownKeyIsRefusedWithItsPlace) {
  config::write_durably(folder_ / "d.yaml", "vehicle_id: car7\nloop:\n  label_shar: 3\n");
  try {
    read_options(folder_ / "d.yaml", {});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("d.yaml:3"));
    EXPECT_THAT(error.what(), HasSubstr("label_share"));
  }
}

TEST_F(LiveOptions, KeysThatWereHereOnceAreToldWhereTheyWent) {
  for (const char* text :
       {"loop:\n  steps_per_round: 3\n", "engine:\n  acquisition: {share_per_round: 0.1}\n"}) {
    config::write_durably(folder_ / "d.yaml", text);
    try {
      read_options(folder_ / "d.yaml", {});
      FAIL() << "accepted";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("d.yaml:2"));
      EXPECT_THAT(error.what(), HasSubstr("as rounds: [{"));
    }
  }
}

TEST_F(LiveOptions, RoundsAreReadAndPrintedWhole) {
  const auto o = read_options("", {"loop.rounds=[{times: 2, steps: 50, strategy: {name: cover, balance: "
                                   "0.7}, budget: {share: 0.01, bytes: 9000}}, "
                                   "{times: none}]",
                                   "loop.rounds[1].budget.regions=20"});
  ASSERT_EQ(o.loop.rounds.size(), 2U);
  EXPECT_EQ(o.loop.rounds[0].strategy.options<adapt::CoverOptions>().balance, 0.7);
  EXPECT_EQ(o.loop.rounds[0].budget.bytes, 9000);
  EXPECT_EQ(o.loop.rounds[1].times, std::nullopt);
  EXPECT_EQ(o.loop.rounds[1].budget.regions, 20);
  config::write_durably(folder_ / "d.yaml", config::to_yaml(o));
  EXPECT_EQ(config::to_yaml(read_options(folder_ / "d.yaml", {})), config::to_yaml(o));
}

TEST_F(LiveOptions, ReloadTakesThePaceAndNamesTheRest) {
  const auto running = good();
  auto fresh = running;
  fresh.loop.rounds = {{.times = 3, .steps = 7},
                       {.times = std::nullopt, .strategy = config::Chosen("cover")}};
  fresh.gate.min_sharpness = 1;
  fresh.engine.train.rate = 0.5;
  fresh.loop.replay = "streetsim:game";
  const auto reload = reload_options(running, fresh);
  ASSERT_EQ(reload.options.loop.rounds.size(), 2U);
  EXPECT_EQ(reload.options.loop.rounds[0].steps, 7);
  EXPECT_EQ(reload.options.loop.rounds[1].strategy.name(), "cover");
  EXPECT_EQ(reload.options.gate.min_sharpness, 1);
  EXPECT_EQ(reload.options.engine.train.rate, running.engine.train.rate);
  EXPECT_THAT(reload.needs_restart,
              testing::ElementsAre("engine.train.rate: 0.5", "loop.replay: streetsim:game"));
  EXPECT_THAT(reload_options(running, running).needs_restart, testing::IsEmpty());
}

}  // namespace
}  // namespace driftloop::daemon
