// Lists of rounds: which round is which, what they come to together, what cannot work, and YAML.
#include "daemon/round_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapt/acquisition/cover.h"
#include "config/check.h"
#include "config/layers.h"
#include "daemon/bench/offline_options.h"

namespace driftloop::daemon {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const RoundPlan kPlan = {
    {.times = 2, .steps = 10, .budget = {.regions = 0}},
    {.times = 1, .steps = 20, .strategy = config::Chosen("ripu"), .budget = {.share = 0.01}},
    {.times = 3, .steps = 30, .strategy = config::Chosen("ripu")}};

/// Published schedules are lists: RIPU asks at 25, 30, 35, 40 and 45 % of its training.
const RoundPlan kRipu = {
    {.steps = 10'000, .budget = {.regions = 0}},
    {.times = 4, .steps = 2000, .strategy = config::Chosen("ripu"), .budget = {.share = 0.01}},
    {.steps = 22'000, .strategy = config::Chosen("ripu"), .budget = {.share = 0.01}}};

TEST(RoundPlan, RoundsAreCountedThroughTheList) {
  std::vector<int> steps;
  for (std::int64_t number = 1; round_at(kPlan, number) != nullptr; ++number)
    steps.push_back(round_at(kPlan, number)->steps);
  EXPECT_THAT(steps, ElementsAre(10, 10, 20, 30, 30, 30));
  EXPECT_EQ(round_at(kPlan, 0), nullptr);
  EXPECT_EQ(round_at(kPlan, 7), nullptr);
  EXPECT_EQ(round_at({}, 1), nullptr);
  EXPECT_EQ(rounds_of(kPlan), 6);
  EXPECT_EQ(steps_of(kPlan), 130);
}

TEST(RoundPlan, TheLastEntryMayHaveNoEnd) {
  RoundPlan plan = kPlan;
  plan.back().times = std::nullopt;
  EXPECT_EQ(round_at(plan, 3)->steps, 20);
  EXPECT_EQ(round_at(plan, 4)->steps, 30);
  EXPECT_EQ(round_at(plan, 1'000'000'000'000)->steps, 30);
  EXPECT_EQ(rounds_of(plan), std::nullopt);
  EXPECT_EQ(steps_of(plan), std::nullopt);
}

TEST(RoundPlan, APublishedScheduleAsksWhereItSays) {
  const auto all = static_cast<double>(*steps_of(kRipu));
  std::vector<double> asked_at;
  double step = 0;
  for (std::int64_t number = 1; const RoundOptions* round = round_at(kRipu, number); ++number) {
    if (asks(*round)) asked_at.push_back(step / all);
    step += round->steps;
  }
  EXPECT_THAT(asked_at, ElementsAre(0.25, 0.30, 0.35, 0.40, 0.45));
}

TEST(RoundPlan, ItsOwnStrategyIsThatOfTheRoundsThatAsk) {
  EXPECT_EQ(own_strategy(kPlan), "ripu") << "the warm-up asks for nothing";
  EXPECT_EQ(first_asking(kPlan), &kPlan[1]);
  RoundPlan mixed = kPlan;
  mixed[1].strategy = config::Chosen("cover");
  EXPECT_EQ(own_strategy(mixed), "");
  const RoundPlan silent = {{.budget = {.pixels = 0}}, {.budget = {.share = 0}}, {.budget = {.bytes = 0}}};
  EXPECT_EQ(first_asking(silent), nullptr);
  EXPECT_EQ(own_strategy(silent), "");
}

std::vector<std::string> keys(const Findings& found) {
  std::vector<std::string> keys;
  for (const auto& one : found) keys.push_back(one.what);
  return keys;
}

TEST(RoundPlan, WhatCannotWorkIsNamed) {
  RoundPlan endless = kPlan;
  endless.back().times = std::nullopt;
  EXPECT_THAT(plan_problems(kPlan, PlanOf::benchmark, "rounds"), IsEmpty());
  EXPECT_THAT(plan_problems(endless, PlanOf::vehicle, "loop.rounds"), IsEmpty());
  EXPECT_THAT(keys(plan_problems(endless, PlanOf::benchmark, "rounds")), ElementsAre("rounds[2].times"));
  std::swap(endless[1], endless[2]);
  EXPECT_THAT(keys(plan_problems(endless, PlanOf::vehicle, "loop.rounds")),
              ElementsAre("loop.rounds[1].times"));
  EXPECT_THAT(keys(plan_problems({}, PlanOf::vehicle, "loop.rounds")), ElementsAre("loop.rounds"));
  RoundPlan on_a_link = kPlan;
  on_a_link[1].budget.bytes = 1000;
  EXPECT_THAT(plan_problems(on_a_link, PlanOf::vehicle, "loop.rounds"), IsEmpty());
  EXPECT_THAT(keys(plan_problems(on_a_link, PlanOf::benchmark, "rounds")),
              ElementsAre("rounds[1].budget.bytes"));
  EXPECT_THAT(keys(plan_problems({{.times = 1'000'000, .steps = 1000}}, PlanOf::benchmark, "rounds")),
              ElementsAre("rounds"));
}

TEST(RoundPlan, AMistakeOfABenchmarkHasItsPlace) {
  RunOptions run;
  const std::string set = "rounds=[{times: none, budget: {share: 0.1}}]";
  const auto places = config::Layers("", "", {set}).apply(run);
  try {
    check_run(run, places);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("--set " + set + ": rounds[0].times is none"));
  }
  EXPECT_NO_THROW(check_run(RunOptions(), {}));
}

TEST(RoundPlan, ComesBackFromYamlWhole) {
  RunOptions run;
  run.rounds = kPlan;
  run.rounds[2].strategy = config::Chosen("cover", adapt::CoverOptions{.balance = 0.7});
  run.rounds[2].budget = {.share = 0.25, .pixels = 1, .regions = 2, .images = 3, .pixels_per_frame = 4};
  RunOptions back;
  config::apply_text(config::to_yaml(run, config::Comments::help), "run.yaml", back);
  EXPECT_EQ(config::to_yaml(back), config::to_yaml(run));
  ASSERT_EQ(back.rounds.size(), 3U);
  EXPECT_EQ(back.rounds[0].times, 2);
  EXPECT_EQ(back.rounds[2].strategy.options<adapt::CoverOptions>().balance, 0.7);
  EXPECT_EQ(back.rounds[2].budget.images, 3);
  EXPECT_EQ(back.rounds[1].budget.regions, std::nullopt);
}

TEST(RoundPlan, ArmsOfARunTakeTheirHorizonFromIt) {
  RunOptions run;
  run.rounds = kRipu;
  for (const char* arm : {"source_only", "random", "ripu", "full", "plan"}) {
    const RunOptions own = arm_options(run, arm);
    EXPECT_EQ(own.engine.train.horizon_steps, 40'000) << arm;
    EXPECT_EQ(rounds_of(own.rounds), 6) << arm;
    EXPECT_EQ(steps_of(own.rounds), 40'000) << arm;
  }
  EXPECT_EQ(own_arm(run), "ripu");
  run.rounds[1].strategy = config::Chosen("cover");
  EXPECT_EQ(own_arm(run), "plan");
}

}  // namespace
}  // namespace driftloop::daemon
