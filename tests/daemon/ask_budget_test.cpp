#include <gtest/gtest.h>

#include <numeric>

#include "daemon/live/ask_budget.h"

namespace driftloop::daemon {
namespace {

constexpr double kDay = 86'400, kHour = 3'600;
constexpr double kStart = 1'800'000'000;  // some day in 2027
const AskLimits kLimits{.regions_per_day = 240};

TEST(AskBudget, TheTighterOfTheTwoLimitsHolds) {
  EXPECT_EQ(regions_per_day({100, {}, 15}), 100);
  EXPECT_EQ(regions_per_day({{}, 1500, 15}), 100);
  EXPECT_EQ(regions_per_day({100, 600, 15}), 40);
  EXPECT_EQ(regions_per_day({10, 600, 15}), 10);
  EXPECT_EQ(regions_per_day({{}, {}, 15}), std::nullopt);
  EXPECT_EQ(AskBudget().available({{}, {}, 15}, {kStart, 0}), std::nullopt) << "no limit";
  EXPECT_EQ(AskBudget().seconds_until({{}, {}, 15}, 1000), 0);
}

TEST(AskBudget, ALimitOfNoneADayIsALimit) {
  EXPECT_EQ(regions_per_day({0, 600, 15}), 0);
  EXPECT_EQ(regions_per_day({100, 0, 15}), 0);
  EXPECT_EQ(AskBudget().available({.regions_per_day = 0}, {kStart, 0}), 0);
}

TEST(AskBudget, WhatWasAskedComesBackADayLater) {
  AskBudget budget;
  EXPECT_EQ(budget.available(kLimits, {kStart, 0}), 240);
  budget.spend(200);
  EXPECT_EQ(budget.available(kLimits, {kStart + 6 * kHour, 6 * kHour}), 40);
  budget.spend(40);
  EXPECT_EQ(budget.available(kLimits, {kStart + 6 * kHour, 6 * kHour}), 0);
  EXPECT_NEAR(budget.seconds_until(kLimits, 60), 18 * kHour, 1);
  EXPECT_EQ(budget.available(kLimits, {kStart + 24 * kHour, 24 * kHour}), 200);
  EXPECT_EQ(budget.seconds_until(kLimits, 60), 0);
  EXPECT_NEAR(budget.seconds_until(kLimits, 1'000'000), 6 * kHour, 1)
      << "no more than a day's worth is waited for";
  EXPECT_EQ(budget.available(kLimits, {kStart + 10 * kDay, 10 * kDay}), 240)
      << "never more than a day's worth";
}

TEST(AskBudget, NoDayOfAMonthHasMoreThanItsLimit) {
  AskBudget budget;
  std::vector<std::int64_t> by_hour;
  for (int hour = 0; hour < 30 * 24; ++hour) {
    const auto some =
        std::min<std::int64_t>(*budget.available(kLimits, {kStart + hour * kHour, hour * kHour}), 50);
    by_hour.push_back(some);
    budget.spend(some);
  }
  for (std::size_t first = 0; first + 24 <= by_hour.size(); ++first)
    EXPECT_EQ(std::accumulate(by_hour.begin() + first, by_hour.begin() + first + 24, 0L), 240)
        << "from hour " << first;
}

TEST(AskBudget, SurvivesAnIgnitionCycleAndCountsTheTimeBetween) {
  AskBudget budget;
  static_cast<void>(budget.available(kLimits, {kStart, 5}));
  budget.spend(240);
  AskBudget next(budget.fund());
  EXPECT_EQ(next.available(kLimits, {kStart + 60, 1}), 0) << "switching off and on grants nothing";
  AskBudget tomorrow(next.fund());
  EXPECT_EQ(tomorrow.available(kLimits, {kStart + kDay, 1}), 240) << "the night counts";
}

TEST(AskBudget, AClockWithoutABatteryGrantsNothingAtEachIgnition) {
  AskBudget budget;
  static_cast<void>(budget.available(kLimits, {kStart, 0}));
  budget.spend(240);
  AskFund fund = budget.fund();
  for (int trip = 1; trip <= 20; ++trip) {  // 1970 at first, then the network sets the clock
    AskBudget there(fund);
    EXPECT_EQ(there.available(kLimits, {100, 1}), 0);
    EXPECT_EQ(there.available(kLimits, {kStart + trip * 180, 20}), 0);
    fund = there.fund();
  }
}

TEST(AskBudget, AWrongClockInTheFutureIsGotOver) {
  AskBudget budget;
  static_cast<void>(budget.available(kLimits, {kStart, 0}));
  budget.spend(240);
  EXPECT_EQ(budget.available(kLimits, {kStart + 3650 * kDay, 60}), 240) << "a day's worth, once";
  budget.spend(240);
  double steady = 60;
  for (int i = 0; i < 61; ++i) EXPECT_EQ(budget.available(kLimits, {kStart + i * 60, steady += 60}), 0);
  AskBudget tomorrow(budget.fund());
  EXPECT_EQ(tomorrow.available(kLimits, {kStart + kHour + kDay, 0}), 240)
      << "after an hour the clock is believed again, also over a night";
}

TEST(AskBudget, RunningTimeCountsWhileTheClockIsWrong) {
  AskBudget budget;
  static_cast<void>(budget.available(kLimits, {kStart, 0}));
  budget.spend(240);
  EXPECT_EQ(budget.available(kLimits, {100, 23 * kHour}), 0);
  EXPECT_EQ(budget.available(kLimits, {100 + kHour, 24 * kHour}), 240);
}

TEST(AskBudget, OneByOneAllDayIsFewRowsAndStillComesBack) {
  AskBudget budget;
  std::int64_t asked = 0;
  for (int minute = 0; minute < 10 * 24 * 60; ++minute)
    if (*budget.available(kLimits, {kStart + 60.0 * minute, 60.0 * minute}) > 0) {
      budget.spend(1);
      ++asked;
    }
  EXPECT_LE(budget.fund().last_day.size(), 145u);
  EXPECT_NEAR(static_cast<double>(asked), 2400, 24);
}

}  // namespace
}  // namespace driftloop::daemon
