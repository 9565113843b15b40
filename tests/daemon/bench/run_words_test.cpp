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
  run.rounds = {{.times = 3, .steps = 140, .budget = {.share = 0.001}}};
  EXPECT_EQ(title_in_words(run), "driftloop demo: streetsim game → street, 3 rounds, 0.3 % of the pixels");
  EXPECT_EQ(budget_in_words(run),
            "0.3 % of the pool's pixels in 3 rounds, regions of 8x8 px, 140 training steps a round");
  run.target = "folder:/somewhere/drive";
  run.rounds[0].times = 1;
  EXPECT_EQ(title_in_words(run), "driftloop demo: streetsim game → drive, 1 round, 0.1 % of the pixels");
  run.target_name = "streetsim street";
  EXPECT_EQ(title_in_words(run), "driftloop demo: streetsim game → street, 1 round, 0.1 % of the pixels");
}

std::string words(RoundPlan rounds) {
  RunOptions run;
  run.rounds = std::move(rounds);
  return budget_in_words(run);
}

TEST(RunWords, TheyAreTrueOfAnyRounds) {
  const config::Chosen pixel("ripu_pixel"), image("image_entropy");
  EXPECT_EQ(words({{.times = 4, .steps = 5, .budget = {.regions = 10}}}),
            "40 regions in 4 rounds, regions of 8x8 px, 5 training steps a round");
  EXPECT_EQ(words({{.steps = 5, .budget = {.regions = 0}},
                   {.times = 2, .steps = 7, .strategy = pixel, .budget = {.pixels = 40}}}),
            "80 pixels in 3 rounds, single pixels, 19 training steps together");
  EXPECT_EQ(words({{.steps = 5, .strategy = image, .budget = {.images = 1}}}),
            "1 image in 1 round, whole images, 5 training steps a round");
  EXPECT_EQ(words({{.steps = 5}}),
            "all of the pool's pixels in 1 round, regions of 8x8 px, 5 training steps a round");
  EXPECT_EQ(words({{.times = 2, .steps = 5, .budget = {.share = 0.01, .regions = 9}}}),
            "at most 2 % of the pool's pixels, 18 regions in 2 rounds, regions of 8x8 px, 5 training steps a "
            "round");
  EXPECT_EQ(words({{.steps = 5, .budget = {.share = 0.01}},
                   {.steps = 5, .strategy = image, .budget = {.images = 2}}}),
            "1 % of the pool's pixels and 2 images in 2 rounds, 5 training steps a round");
  EXPECT_EQ(
      words({{.steps = 5, .budget = {.share = 0.01}}, {.steps = 5}}),
      "budgets that differ from round to round in 2 rounds, regions of 8x8 px, 5 training steps a round");
  EXPECT_EQ(words({{.times = 2, .steps = 5, .budget = {.regions = 0}}}),
            "no labels in 2 rounds, 5 training steps a round");
}

}  // namespace
}  // namespace driftloop::daemon
