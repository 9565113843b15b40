// Each setting of the vehicle and of a benchmark is explained.
#include <gmock/gmock.h>

#include "daemon/bench/offline_options.h"
#include "daemon/live/daemon_options.h"
#include "tests/contract/settings_walk.h"

namespace driftloop::test {
namespace {

TEST(Settings, OfTheVehicleAreExplained) {
  const SettingsWalk walk{daemon::DaemonOptions()};
  EXPECT_GE(walk.settings().size(), 100u);
  EXPECT_THAT(unexplained(walk), testing::IsEmpty());
}

TEST(Settings, OfABenchmarkAreExplained) {
  EXPECT_THAT(unexplained(SettingsWalk{daemon::RunOptions()}), testing::IsEmpty());
}

}  // namespace
}  // namespace driftloop::test
