// The rule by which a candidate becomes the live model, on counts as a guard set gives them.
#include "adapt/eval/guard.h"

#include <gmock/gmock.h>

#include "config/random.h"

namespace driftloop::adapt {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int kRoad = 0, kSidewalk = 1, kPole = 5;

/// `frames` frames with `pixels` of a class in each, of which the nets get shares right.
void add(std::vector<GuardFrame>& frames, int c, int pixels, double live, double candidate) {
  for (auto& frame : frames) {
    frame.labelled[c] += pixels;
    frame.live[c] += static_cast<std::int64_t>(pixels * live);
    frame.candidate[c] += static_cast<std::int64_t>(pixels * candidate);
  }
}

TEST(Guard, AClassThatIsLostIsNotOutweighed) {
  // More pixels right than before (79 -> 81 %), and the sidewalk gone.
  std::vector<GuardFrame> frames(12);
  add(frames, kRoad, 900, 0.80, 0.90);
  add(frames, kSidewalk, 80, 0.70, 0.05);
  const auto found = compare(frames, {});
  EXPECT_THAT(found.lost, ElementsAre(kSidewalk));
  EXPECT_FALSE(may_go_live(found, 0, {}));
}

TEST(Guard, EachClassCountsAlike) {
  std::vector<GuardFrame> frames(10);
  add(frames, kRoad, 1000, 0.8, 0.9);
  add(frames, kSidewalk, 100, 0.5, 0.5);
  const auto found = compare(frames, {});
  EXPECT_NEAR(found.live, 0.65, 1e-9);
  EXPECT_NEAR(found.candidate, 0.70, 1e-9);
  EXPECT_NEAR(found.standard_error, 0, 1e-9);  // every frame gains the same
  EXPECT_THAT(found.lost, IsEmpty());
  EXPECT_TRUE(may_go_live(found, 0, {}));
}

TEST(Guard, AClassOfAFewPixelsIsNotJudgedBy) {
  std::vector<GuardFrame> frames(10);
  add(frames, kRoad, 1000, 0.8, 0.8);
  frames[0].labelled[kPole] = 40;
  frames[0].live[kPole] = 40;
  const auto found = compare(frames, {});
  EXPECT_NEAR(found.candidate, 0.8, 1e-9);
  EXPECT_TRUE(may_go_live(found, 0, {}));
  // Unless there is nothing else.
  const auto alone = compare({frames[0]}, {.min_class_pixels = 5000});
  EXPECT_NEAR(alone.live, 840.0 / 1040, 1e-9);
}

TEST(Guard, ManySmallLossesDoNotAddUp) {
  const GuardOptions options{.tolerance = 0.01};
  double since_best = 0;
  int promoted = 0;
  for (int round = 0; round < 10; ++round) {  // each loses 0.7 points: less than is allowed
    std::vector<GuardFrame> frames(20);
    add(frames, kRoad, 1000, 0.8, 0.793);
    const auto found = compare(frames, options);
    if (!may_go_live(found, since_best, options)) continue;
    since_best = std::min(0.0, since_best + found.gain());
    ++promoted;
  }
  EXPECT_EQ(promoted, 1);
}

TEST(Guard, ARightToDoubtIsOverFramesNotPixels) {
  // A thousand pixels a frame, but each frame is right or wrong as a whole: 40 frames say little.
  config::Random random(3);
  std::vector<GuardFrame> frames(40);
  for (auto& frame : frames) {
    frame.labelled[kRoad] = 1000;
    frame.live[kRoad] = random.chance(0.5) ? 1000 : 0;
    frame.candidate[kRoad] = random.chance(0.5) ? 1000 : 0;
  }
  const auto found = compare(frames, {});
  EXPECT_GT(found.standard_error, 0.05);
  EXPECT_LT(found.standard_error, 0.2);
}

TEST(Guard, TheStandardErrorIsTheSpreadOfTheGainOverRedrawnFrames) {
  config::Random random(5);
  double sum = 0, squares = 0, claimed = 0;
  constexpr int kDraws = 400;
  for (int draw = 0; draw < kDraws; ++draw) {
    std::vector<GuardFrame> frames(30);
    for (auto& frame : frames) {
      frame.labelled[kRoad] = 100;
      frame.live[kRoad] = 50 + random.between<std::int64_t>(-20, 20);
      frame.candidate[kRoad] = 50 + random.between<std::int64_t>(-20, 20);
    }
    const auto found = compare(frames, {});
    sum += found.gain();
    squares += found.gain() * found.gain();
    claimed += found.standard_error / kDraws;
  }
  const double spread = std::sqrt(squares / kDraws - sum / kDraws * sum / kDraws);
  EXPECT_NEAR(claimed / spread, 1, 0.15);
}

TEST(Guard, NoFramesAreNoComparison) {
  const auto found = compare({}, {});
  EXPECT_EQ(found.gain(), 0);
  EXPECT_THAT(found.lost, IsEmpty());
}

}  // namespace
}  // namespace driftloop::adapt
