// How much a round may ask for and of which frames: budgets, the guard's part, the choice of frames.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <string>

#include "adapt/acquisition/frame_choice.h"
#include "adapt/acquisition/region_budget.h"
#include "config/check.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {

constexpr PoolSize kTenFrames{.frames = 10, .pixels = 10'001};

TEST(BudgetOf, EveryUnitIsALimitOfItsOwn) {
  EXPECT_EQ(budget_of({}, kTenFrames, 8), Budget{}) << "nothing limits";
  EXPECT_EQ(budget_of({.share = 0.01}, kTenFrames, 8), Budget{.pixels = 101});
  EXPECT_EQ(budget_of({.pixels = 64}, kTenFrames, 8), Budget{.pixels = 64});
  EXPECT_EQ(budget_of({.regions = 3}, kTenFrames, 8), Budget{.regions = 3});
  EXPECT_EQ(budget_of({.images = 3}, kTenFrames, 8), Budget{.pixels = 3001}) << "3 x 1,000.1";
  EXPECT_EQ(budget_of({.pixels_per_frame = 9}, kTenFrames, 8), Budget{.pixels_per_frame = 9});
}

TEST(BudgetOf, TheLeastHolds) {
  const BudgetOptions all{.share = 0.01, .pixels = 90, .regions = 4, .images = 1, .pixels_per_frame = 70};
  EXPECT_EQ(budget_of(all, kTenFrames, 1), (Budget{.pixels = 90, .pixels_per_frame = 70, .regions = 4}));
  auto more = all;
  more.pixels = 5000;
  EXPECT_EQ(budget_of(more, kTenFrames, 1).pixels, 101) << "the share";
  more.share = 1;
  EXPECT_EQ(budget_of(more, kTenFrames, 1).pixels, 1001) << "the image";
}

TEST(BudgetOf, BytesAreRegionsByWhatOneTakes) {
  EXPECT_EQ(budget_of({.bytes = 9999}, kTenFrames, 8, {.bytes = 2500.0}).regions, 3);
  EXPECT_EQ(budget_of({.bytes = 2499}, kTenFrames, 8, {.bytes = 2500.0}).regions, 0) << "not one fits";
  EXPECT_EQ(budget_of({.regions = 2, .bytes = 9999}, kTenFrames, 8, {.bytes = 2500.0}).regions, 2);
  EXPECT_EQ(budget_of({.clicks = 9}, kTenFrames, 8).regions, 9) << "before an answer a region is one click";
  EXPECT_EQ(budget_of({.clicks = 9}, kTenFrames, 8, {.clicks = 1.5}).regions, 6);
  EXPECT_THROW(budget_of({.bytes = 9999}, kTenFrames, 8), CheckError) << "who sends nothing cannot know";
}

TEST(BudgetOf, NoneOfAUnitIsNothing) {
  for (const BudgetOptions& none :
       {BudgetOptions{.share = 0}, BudgetOptions{.pixels = 0}, BudgetOptions{.regions = 0},
        BudgetOptions{.images = 0}, BudgetOptions{.pixels_per_frame = 0}})
    EXPECT_TRUE(pays_nothing(budget_of(none, kTenFrames, 8)));
  EXPECT_FALSE(pays_nothing(budget_of({}, kTenFrames, 8)));
}

TEST(BudgetOf, AShareOfASmallPoolIsARegion) {
  const BudgetOptions options{.share = 0.0025};
  EXPECT_EQ(budget_of(options, {1, 1280L * 720}, 64).pixels, 64 * 64) << "2,304 px by the share";
  EXPECT_EQ(budget_of(options, {}, 64).pixels, 0);
  EXPECT_EQ(budget_of({.images = 2}, {}, 64).pixels, 0);
}

/// The guard's regions in `rounds` rounds of `budget` each.
std::vector<std::int64_t> guard_rounds(const Budget& budget, double share, int rounds) {
  constexpr int kSide = 64;
  std::vector<std::int64_t> guard;
  AskedCount asked;
  for (int i = 0; i < rounds; ++i) {
    const auto part = guard_budget(budget, share, kSide, asked);
    const auto regions =
        pays_nothing(part) ? 0 : region_budget(part, kSide, std::numeric_limits<std::int64_t>::max()).total;
    guard.push_back(regions);
    asked.guard += regions;
    asked.regions += region_budget(budget, kSide, std::numeric_limits<std::int64_t>::max()).total;
  }
  return guard;
}

TEST(GuardBudget, KeepsItsShareInFewRegionsAndNeverTakesARoundWhole) {
  const Budget plenty{.pixels = 1L << 40};
  const auto of = [&](std::int64_t regions) { return least(plenty, {.regions = regions}); };
  EXPECT_EQ(guard_rounds(of(20), 0.15, 3), (std::vector<std::int64_t>{3, 3, 3}));
  EXPECT_EQ(guard_rounds(of(1), 0.15, 8), (std::vector<std::int64_t>{0, 1, 0, 0, 0, 0, 1, 0}));
  EXPECT_EQ(guard_rounds(of(2), 0.15, 7), (std::vector<std::int64_t>{1, 0, 0, 1, 0, 0, 1}));
  for (const std::int64_t regions : {1, 2, 3, 5, 7, 20, 63})
    for (const double share : {0.05, 0.15, 0.5}) {
      std::int64_t guard = 0;
      for (const auto n : guard_rounds(of(regions), share, 40)) {
        EXPECT_LE(n, std::max<std::int64_t>(1, regions - 1));
        guard += n;
      }
      EXPECT_NEAR(static_cast<double>(guard), share * 40 * static_cast<double>(regions), 1.0)
          << regions << ' ' << share;
    }
  EXPECT_EQ(guard_rounds(of(20), 0, 2), (std::vector<std::int64_t>{0, 0}));
}

TEST(GuardBudget, ByPixelsItIsTheShareAndASmallRoundIsMadeUpFor) {
  const auto guard = guard_budget({.pixels = 100'000}, 0.15, 8, {});
  EXPECT_EQ(guard.pixels, 15'000);
  EXPECT_EQ(guard.regions, std::nullopt);
  // Three regions of pixels: the share of a round pays for none.
  EXPECT_EQ(guard_rounds({.pixels = 3 * 4096 + 100}, 0.15, 4), (std::vector<std::int64_t>{1, 0, 1, 0}));
}

TEST(GuardBudget, WhatIsOwedIsMadeUpForSlowly) {
  const auto part =
      guard_budget({.pixels = 1L << 40, .regions = 20}, 0.15, 64, {.regions = 1000, .guard = 0});
  EXPECT_EQ(part.regions, 6);
  EXPECT_EQ(part.pixels, 6 * 4096);
}

TEST(GuardBudget, OfNoRegionsItIsNothing) {
  EXPECT_TRUE(pays_nothing(guard_budget({.pixels = 1L << 40, .regions = 0}, 0.15, 64, {.regions = 1000})));
  EXPECT_TRUE(pays_nothing(guard_budget({.pixels = 0}, 0.15, 64, {.regions = 1000})));
}

TEST(Least, IsTheStricterOfBothAndAbsentIsNoLimit) {
  EXPECT_EQ(least({.pixels = 5, .regions = 7}, {.pixels = 9, .pixels_per_frame = 3}),
            (Budget{.pixels = 5, .pixels_per_frame = 3, .regions = 7}));
  EXPECT_EQ(least({.regions = 0}, {.regions = 4}).regions, 0) << "0 is a limit";
  EXPECT_EQ(least({}, {}), Budget{});
}

std::string name_of(int i) {
  return std::string("f").append(std::to_string(i));
}

std::vector<PoolFrame> pool_frames(int count) {
  std::vector<PoolFrame> frames;
  for (int i = 0; i < count; ++i) frames.push_back({name_of(i), "g", {64, 48}});
  return frames;
}

std::vector<int> numbers(const std::vector<PoolFrame>& frames) {
  std::vector<int> numbers;
  for (const auto& frame : frames) numbers.push_back(std::stoi(frame.id.substr(1)));
  return numbers;
}

TEST(ChooseFrames, TakesAllWithoutALimit) {
  const std::set<std::string> none;
  for (const std::optional<std::int64_t> limit : {std::optional<std::int64_t>(), {30}, {31}})
    EXPECT_EQ(
        choose_frames(pool_frames(30), {.max_frames = limit, .seed = 1, .looked_at = none, .asked = none})
            .size(),
        30U);
}

TEST(ChooseFrames, NewestFirstThenSpreadOverTheAgeInOrder) {
  std::set<std::string> looked, asked;
  for (int i = 0; i < 5000; ++i) looked.insert(name_of(i));
  for (int i = 0; i < 5000; i += 100) asked.insert(name_of(i));
  const FrameChoice choice{.max_frames = 400, .seed = 3, .looked_at = looked, .asked = asked};
  const auto chosen = numbers(choose_frames(pool_frames(10'000), choice));
  ASSERT_EQ(chosen.size(), 400U);
  EXPECT_TRUE(std::is_sorted(chosen.begin(), chosen.end()));
  EXPECT_EQ(std::set<int>(chosen.begin(), chosen.end()).size(), 400U);
  const auto count = [&](auto keep) { return std::count_if(chosen.begin(), chosen.end(), keep); };
  EXPECT_GE(count([&](int i) { return asked.contains(name_of(i)); }), 50);
  EXPECT_GE(count([](int i) { return i >= 10'000 - 175; }), 175) << "the newest never looked at";
  for (int part = 0; part < 9; ++part)  // the rest is everywhere
    EXPECT_GE(count([&](int i) { return i >= 1000 * part && i < 1000 * part + 1000; }), 15) << part;
  EXPECT_EQ(numbers(choose_frames(pool_frames(10'000), choice)), chosen) << "the same again";
  const FrameChoice other{.max_frames = 400, .seed = 4, .looked_at = looked, .asked = asked};
  EXPECT_NE(numbers(choose_frames(pool_frames(10'000), other)), chosen);
}

TEST(ChooseFrames, AShortDriveOfAnotherLookIsMetAtOnceAndEveryFrameInTime) {
  // 10,000 frames, among them 200 of another look long ago, and 60 a round at most.
  std::set<std::string> looked;
  const std::set<std::string> none;
  int rounds = 0;
  for (; looked.size() < 10'000 && rounds < 400; ++rounds) {
    const auto chosen =
        numbers(choose_frames(pool_frames(10'000), {.max_frames = 60,
                                                    .seed = config::mix64(static_cast<std::uint64_t>(rounds)),
                                                    .looked_at = looked,
                                                    .asked = none}));
    ASSERT_EQ(chosen.size(), 60U);
    if (rounds < 3) {
      EXPECT_GE(std::count_if(chosen.begin(), chosen.end(), [](int i) { return i >= 3000 && i < 3400; }), 1);
    }
    for (const int i : chosen) looked.insert(name_of(i));
  }
  EXPECT_EQ(looked.size(), 10'000U);
  EXPECT_LE(rounds, 220) << "167 rounds at best; by chance alone 1,500";
}

}  // namespace
}  // namespace driftloop::adapt
