// Each setting of the station is explained; and the walk that checks it sees what is not.
#include <gmock/gmock.h>

#include "station/station.h"
#include "tests/config/sample_plan.h"
#include "tests/contract/settings_walk.h"

namespace driftloop::test {
namespace {

TEST(StationSettings, AreExplained) {
  const SettingsWalk walk{station::StationOptions()};
  EXPECT_GE(walk.settings().size(), 14u);
  EXPECT_THAT(unexplained(walk), testing::IsEmpty());
}

TEST(SettingsWalk, FindsShortTextsInListsAndParts) {
  EXPECT_THAT(unexplained(SettingsWalk{config::test::Plan()}),
              testing::IsSupersetOf({"rate: 'per second'", "rounds[].tags: 'words'",
                                     "rounds[].strategy<cover>.balance: 'share^-balance'",
                                     "losses<doubt>.measure: 'of doubt'", "strategy<random>: 'anywhere'"}));
}

}  // namespace
}  // namespace driftloop::test
