// The sentence at the top of the page must be true, above all when the news is bad.
#include "daemon/report/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/daemon/report/sample_report.h"

namespace driftloop::daemon {
namespace {
using test::arm_of;
using test::sample_report;
using test::set_final;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

void remove_arm(Report& report, const std::string& name) {
  std::erase_if(report.arms, [&](const Arm& arm) { return arm.name == name; });
}

TEST(Verdict, Win) {
  const Verdict verdict = judge(sample_report());
  EXPECT_EQ(verdict.outcome, Outcome::helped);
  EXPECT_EQ(verdict.headline, "The chosen regions did a little better than random ones");
  EXPECT_EQ(verdict.sentence,
            "With 0.5 % of the pixels labelled, cover reached 41.2 mIoU: 83 % of full supervision (49.6), "
            "1.2 points "
            "above random regions (40.0) and 25.4 points above source only (15.8).");
}

TEST(Verdict, AClearWinIsCalledOne) {
  Report report = sample_report();
  set_final(report, "random", 0.380);
  EXPECT_EQ(judge(report).headline, "Choosing the regions paid off");
}

TEST(Verdict, LosesToRandom) {
  Report report = sample_report();
  set_final(report, "cover", 0.379);
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.outcome, Outcome::lost);
  EXPECT_EQ(verdict.headline, "Random regions did better than the chosen ones");
  EXPECT_THAT(verdict.sentence, HasSubstr("2.1 points below random regions (40.0)"));
}

TEST(Verdict, ALoopByLotIsJudgedByWhatItGainsAndStrategiesStandBesideIt) {
  Report report = sample_report();
  report.strategy = "random";
  Verdict verdict = judge(report);
  EXPECT_EQ(verdict.outcome, Outcome::helped);
  EXPECT_EQ(verdict.headline, "Asking for labels paid off");
  EXPECT_EQ(verdict.sentence,
            "With 0.5 % of the pixels labelled, random regions reached 40.0 mIoU: 81 % of full supervision "
            "(49.6) and 24.2 points above source only (15.8).");
  EXPECT_THAT(verdict.details,
              Contains("Chosen by cover instead: 41.2 mIoU, 1.2 points above random regions (40.0)."));
  set_final(report, "random", 0.158);
  verdict = judge(report);
  EXPECT_EQ(verdict.outcome, Outcome::even);
  EXPECT_EQ(verdict.headline, "The labels changed nothing");
  remove_arm(report, "cover");
  EXPECT_EQ(judge(report).outcome, Outcome::even);
}

TEST(Verdict, HalfAPointIsNoWin) {
  Report report = sample_report();
  for (double miou : {0.404, 0.396}) {
    set_final(report, "cover", miou);
    const Verdict verdict = judge(report);
    EXPECT_EQ(verdict.outcome, Outcome::even) << miou;
    EXPECT_THAT(verdict.sentence, HasSubstr("about the same as random regions (40.0)"));
  }
}

TEST(Verdict, WorseThanTheStartIsALossEvenWhenRandomIsWorseStill) {
  Report report = sample_report();
  set_final(report, "cover", 0.120);
  set_final(report, "random", 0.100);
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.outcome, Outcome::lost);
  EXPECT_EQ(verdict.headline, "Adapting made the net worse");
  EXPECT_THAT(verdict.sentence, HasSubstr("3.8 points below source only (15.8)"));
}

TEST(Verdict, SelfTrainingCollapseIsSaid) {
  EXPECT_THAT(judge(sample_report()).details, Contains(HasSubstr("collapsed (15.8 → 6.4 mIoU)")));
  Report mild = sample_report();
  set_final(mild, "self_training", 0.140);
  EXPECT_THAT(judge(mild).details, Contains(HasSubstr("made the net worse (15.8 → 14.0 mIoU)")));
  EXPECT_THAT(judge(mild).details, Not(Contains(HasSubstr("collapsed"))));
  set_final(mild, "self_training", 0.200);
  EXPECT_THAT(judge(mild).details, Contains(HasSubstr("gained 4.2 points without a single label")));
}

TEST(Verdict, ArmsThatAreMissingAreNamedAndNotInvented) {
  Report report = sample_report();
  remove_arm(report, "random");
  remove_arm(report, "full");
  const Verdict verdict = judge(report);
  EXPECT_EQ(verdict.outcome, Outcome::helped);
  EXPECT_EQ(verdict.headline, "Asking for labels paid off");
  EXPECT_THAT(verdict.sentence, Not(HasSubstr("random")));
  EXPECT_THAT(verdict.sentence, Not(HasSubstr("full supervision")));
  EXPECT_THAT(verdict.details, Contains(HasSubstr("regions drawn by lot and labels for every pixel")));
}

TEST(Verdict, WithoutAStrategyThereIsNoVerdict) {
  Report report = sample_report();
  remove_arm(report, "cover");
  EXPECT_EQ(judge(report).outcome, Outcome::unknown);
  EXPECT_THAT(judge(report).sentence, HasSubstr("random regions: 40.0 mIoU"));
  EXPECT_EQ(judge(Report{}).outcome, Outcome::unknown);
}

TEST(Verdict, AnArmThatWasNeverMeasuredCountsAsMissing) {
  Report report = sample_report();
  for (Round& round : arm_of(report, "random").rounds) round.miou = std::nan("");
  arm_of(report, "random").error = "non-finite loss";
  const Verdict verdict = judge(report);
  EXPECT_THAT(verdict.sentence, Not(HasSubstr("random")));
  EXPECT_THAT(verdict.details, Contains(HasSubstr("random regions did not finish: non-finite loss")));
}

TEST(Verdict, UnfairComparisonIsSaid) {
  EXPECT_THAT(judge(sample_report()).details, Not(Contains(HasSubstr("Not a fair comparison"))));
  Report report = sample_report();
  arm_of(report, "random").rounds.back().steps = 300;
  EXPECT_THAT(judge(report).details,
              Contains(HasSubstr("Not a fair comparison: cover trained 600 steps against 300")));
}

TEST(Verdict, DropAndRollbacksAreSaid) {
  Report report = sample_report();
  set_final(report, "cover", 0.300);
  const auto details = judge(report).details;
  EXPECT_THAT(details, Contains(HasSubstr("was best in round 3 (39.8) and ended at 30.0")));
  EXPECT_THAT(details, Contains(HasSubstr("refused 1 of 4 candidate models of cover")));
}

TEST(Verdict, AControlMoreIsSaidBesideTheStart) {
  Report report = sample_report();
  Arm control = arm_of(report, "source_only");
  control.name = "other_norms";
  control.title = "other norms";
  control.role = Role::control;
  control.rounds.back().miou = 0.199;
  report.arms.push_back(control);
  const Verdict verdict = judge(report);
  EXPECT_THAT(verdict.details,
              Contains("As a control, other norms reached 19.9 mIoU: 4.1 points above source "
                       "only (15.8)."));
  EXPECT_EQ(verdict.sentence, judge(sample_report()).sentence);
}

TEST(Verdict, TheNamedStrategyIsJudged) {
  Report report = sample_report();
  Arm ripu = arm_of(report, "cover");
  ripu.name = "ripu";
  ripu.rounds.back().miou = 0.35;
  report.arms.insert(report.arms.begin(), ripu);
  EXPECT_THAT(judge(report).sentence, HasSubstr("cover reached 41.2"));
  report.strategy = "";
  EXPECT_THAT(judge(report).sentence, HasSubstr("ripu reached 35.0"));
}

}  // namespace
}  // namespace driftloop::daemon
