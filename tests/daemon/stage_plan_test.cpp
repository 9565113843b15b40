// The time that is left, by a clock that the test moves.
#include "daemon/stage_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "config/check.h"

namespace driftloop::daemon {
namespace {

/// What really happens: so many units, each of so many seconds; news come every `news_every` units.
struct Truth {
  std::string name;
  double units, unit_s, news_every;
};

struct Watched {
  double largest_rise = 0;   // of the remaining time from one look to a later one, as a share of it
  double largest_error = 0;  // |said - true| / whole, over the looks that said something
  double largest_share = 0;  // before the end
  double first_said_s = -1;
  double smallest_left_s = 1e9;  // before the end
};

/// Plays the truth against the plan, with a look each second.
Watched play(StagePlan& plan, const std::vector<Truth>& truth) {
  double whole_s = 0;
  for (const auto& stage : truth) whole_s += stage.units * stage.unit_s;
  Watched seen;
  double now_s = 0, lowest_left_s = 1e9, stage_began_s = 0;
  for (const auto& stage : truth) {
    plan.enter(stage.name, now_s);
    const double stage_s = stage.units * stage.unit_s;
    for (; now_s < stage_began_s + stage_s; now_s += 1) {
      const double units = (now_s - stage_began_s) / stage.unit_s;
      plan.done(units - std::fmod(units, stage.news_every), now_s);
      const Remaining left = plan.remaining(now_s);
      if (!left.known) continue;
      if (seen.first_said_s < 0) seen.first_said_s = now_s;
      seen.largest_rise = std::max(seen.largest_rise, left.left_s / lowest_left_s - 1);
      lowest_left_s = std::min(lowest_left_s, left.left_s);
      seen.largest_error = std::max(seen.largest_error, std::abs(left.left_s - (whole_s - now_s)) / whole_s);
      seen.largest_share = std::max(seen.largest_share, left.share);
      seen.smallest_left_s = std::min(seen.smallest_left_s, left.left_s);
    }
    stage_began_s += stage_s;
  }
  plan.finish(now_s);
  return seen;
}

const std::vector<PlannedStage> kPlan = {{"rendering", 120, 0.05},
                                         {"warm-up", 240, 0.2},
                                         {"arms", 1800, 0.1},
                                         {"scoring", 4, 3},
                                         {"pictures", 5, 4}};

std::vector<Truth> slower_by(double factor) {
  std::vector<Truth> truth;
  for (const auto& stage : kPlan) truth.push_back({stage.name, stage.units, factor * stage.unit_s, 1});
  return truth;
}

TEST(StagePlan, AMachineOfAnotherSpeedIsFoundOutAndTheRestFollows) {
  for (const double factor : {0.3, 1.0, 3.0}) {
    StagePlan plan(kPlan, 0);
    const Watched seen = play(plan, slower_by(factor));
    EXPECT_GE(seen.first_said_s, 0) << factor;
    EXPECT_LT(seen.largest_rise, 0.05) << factor;
    EXPECT_LT(seen.largest_error, 0.12) << factor;
    EXPECT_LT(seen.largest_share, 1) << factor;
    EXPECT_EQ(plan.remaining(1e6).share, 1);
  }
}

TEST(StagePlan, AStageThatIsHalfAgainAsLongAsExpectedMakesNoJump) {
  auto truth = slower_by(1);
  truth[2].unit_s *= 1.5;  // the arms, the longest
  StagePlan plan(kPlan, 0);
  const Watched seen = play(plan, truth);
  EXPECT_LT(seen.largest_rise, 0.45) << "the time left rises by what was not known, and no more";
  EXPECT_LT(seen.largest_share, 1);
}

TEST(StagePlan, AQuickBeginningPromisesNothing) {
  auto truth = slower_by(6);
  truth[0].unit_s /=
      30;  // what is rendered is rendered five times as fast as expected, all else is six times as slow
  StagePlan plan(kPlan, 0);
  const Watched seen = play(plan, truth);
  EXPECT_LT(seen.largest_rise, 0.1);
  EXPECT_LT(seen.largest_error, 0.15);
}

TEST(StagePlan, ASmallStageDoesNotSpeakForTheRun) {
  const std::vector<PlannedStage> plan_of_a_short_run = {{"rendering", 120, 0.013},
                                                         {"warm-up", 60, 0.05},
                                                         {"arms", 60, 0.1},
                                                         {"scoring", 3, 1.5},
                                                         {"pictures", 6, 1}};
  std::vector<Truth> truth;
  for (const auto& stage : plan_of_a_short_run)
    truth.push_back({stage.name, stage.units, 20 * stage.unit_s, 1});
  truth[0].unit_s /= 20;
  StagePlan plan(plan_of_a_short_run, 0);
  const Watched seen = play(plan, truth);
  EXPECT_LT(seen.largest_rise, 0.05);
  EXPECT_LT(seen.largest_error, 0.15);
}

TEST(StagePlan, TheLastStageCountsAlsoWithoutNews) {
  auto truth = slower_by(1);
  truth[4].news_every = 100;  // says nothing until it is over
  truth[4].unit_s *= 3;       // a minute
  StagePlan plan(kPlan, 0);
  const Watched seen = play(plan, truth);
  EXPECT_LT(seen.largest_share, 1);
  EXPECT_GE(seen.smallest_left_s, 1) << "'about 0 s left' and then silence";
}

TEST(StagePlan, ARareNewsDoesNotMakeTheEstimateSway) {
  auto truth = slower_by(1);
  truth[2].news_every = 180;  // ten times in all
  StagePlan plan(kPlan, 0);
  EXPECT_LT(play(plan, truth).largest_rise, 0.08);
}

TEST(StagePlan, AResumedRunCountsOnlyWhatIsLeft) {
  StagePlan plan(kPlan, 0);
  plan.enter("arms", 0);  // rendering and warm-up were done by an earlier run
  plan.skip(900);
  for (int step = 0; step <= 450; ++step) plan.done(900 + step, 0.1 * step);
  const Remaining left = plan.remaining(45);
  ASSERT_TRUE(left.known);
  EXPECT_NEAR(left.left_s, 45 + 12 + 20, 3);
  EXPECT_NEAR(left.share, 45 / (45 + 77.0), 0.03);
}

TEST(StagePlan, NothingIsSaidBeforeAnythingWasMeasured) {
  StagePlan plan(kPlan, 0);
  EXPECT_FALSE(plan.remaining(5).known);
  plan.done(1, 6);
  EXPECT_FALSE(plan.remaining(6).known);
}

TEST(StagePlan, StagesAreNamedAndInOrder) {
  StagePlan plan(kPlan, 0);
  EXPECT_THROW(plan.enter("nowhere", 0), CheckError);
  plan.enter("arms", 1);
  EXPECT_THROW(plan.enter("warm-up", 2), CheckError);
  EXPECT_NO_THROW(plan.enter("arms", 3));
}

}  // namespace
}  // namespace driftloop::daemon
