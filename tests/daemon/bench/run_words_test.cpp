#include "daemon/bench/run_words.h"

#include <gtest/gtest.h>

namespace driftloop::daemon {
namespace {

TEST(RunWords, DataSetsAreCalledByWhatTheyAre) {
  EXPECT_EQ(words_of_dataset("streetsim:game?frames=240&width=256"), "streetsim game");
  EXPECT_EQ(words_of_dataset("streetsim:street"), "streetsim street");
  EXPECT_EQ(words_of_dataset("folder:/data/my drive"), "my drive");
  EXPECT_EQ(words_of_dataset("folder:/data/my drive/"), "my drive");
  EXPECT_EQ(words_of_dataset("camvid:/data/camvid"), "camvid");
  EXPECT_EQ(words_of_dataset("no data set"), "no data set");
}

TEST(RunWords, TheTitleIsForPeople) {
  RunOptions run;
  run.title = "driftloop demo";
  run.source = "streetsim:game?frames=300&width=256&height=144";
  run.target = "streetsim:street?frames=120&stride=4";
  run.rounds = 3;
  run.steps_per_round = 140;
  run.engine.acquisition.budget.share = 0.001;
  EXPECT_EQ(title_in_words(run), "driftloop demo: streetsim game → street, 3 rounds, 0.3 % of the pixels");
  EXPECT_EQ(budget_in_words(run),
            "0.3 % of the pool's pixels in 3 rounds, regions of 8x8 px, 140 training steps a round");
  run.target = "folder:/somewhere/drive";
  run.rounds = 1;
  EXPECT_EQ(title_in_words(run), "driftloop demo: streetsim game → drive, 1 round, 0.1 % of the pixels");
  run.target_name = "streetsim street";
  EXPECT_EQ(title_in_words(run), "driftloop demo: streetsim game → street, 1 round, 0.1 % of the pixels");
}

}  // namespace
}  // namespace driftloop::daemon
