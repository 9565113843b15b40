// Window maps and picks against brute force; the GPU kernel against its CPU twin.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <opencv2/core.hpp>

#include "adapt/acquisition/city_quota.h"
#include "adapt/acquisition/pick.h"
#include "adapt/acquisition/region_score.h"
#include "adapt/acquisition/ripu.h"
#include "config/check.h"
#include "config/layers.h"
#include "config/random.h"
#include "tests/adapt/synthetic_pool.h"

namespace driftloop::adapt {
namespace {

struct WindowCase {
  int height, width, side;
  Border border;
};

void PrintTo(const WindowCase& c, std::ostream* out) {
  *out << c.height << 'x' << c.width << " side " << c.side
       << (c.border == Border::inside ? " inside" : " clipped");
}

std::vector<WindowCase> window_cases() {
  config::Random rng(11);
  std::vector<WindowCase> cases{
      {1, 1, 1, Border::inside}, {5, 7, 5, Border::inside}, {9, 9, 255, Border::clipped}};
  for (int i = 0; i < 30; ++i)
    cases.push_back({1 + static_cast<int>(rng.below(40)), 1 + static_cast<int>(rng.below(90)),
                     1 + static_cast<int>(rng.below(12)), i % 2 == 0 ? Border::inside : Border::clipped});
  cases.push_back({70, 40, 15, Border::clipped});  // counts of 8 bits; the next of 16
  cases.push_back({70, 40, 16, Border::clipped});
  cases.push_back({130, 70, 9, Border::inside});  // more rows than one task fills
  cases.push_back({150, 90, 64, Border::inside});
  cases.push_back({kMaxRegionPx, kMaxRegionPx + 3, kMaxRegionPx, Border::inside});
  cases.push_back({130, 70, 8, Border::clipped});
  return cases;
}

/// The pixels a window covers, in words of the definition alone.
cv::Rect covered(const WindowCase& c, int y, int x) {
  const int before = c.border == Border::clipped ? c.side / 2 : 0;
  return cv::Rect(x - before, y - before, c.side, c.side) & cv::Rect(0, 0, c.width, c.height);
}

at::Tensor crop(const at::Tensor& map, const cv::Rect& box) {
  return map.slice(-2, box.y, box.y + box.height).slice(-1, box.x, box.x + box.width);
}

class Windows : public testing::TestWithParam<WindowCase> {};

TEST_P(Windows, MeanIsTheMeanOfTheCoveredPixels) {
  const auto& c = GetParam();
  const auto map = at::randn({c.height, c.width});
  const auto got = window_mean(map, c.side, c.border);
  const int lost = c.border == Border::inside ? c.side - 1 : 0;
  if (c.height <= lost || c.width <= lost) {
    EXPECT_EQ(got.numel(), 0);
    return;
  }
  ASSERT_EQ(got.sizes(), (at::IntArrayRef{c.height - lost, c.width - lost}));
  for (int y = 0; y < got.size(0); ++y)
    for (int x = 0; x < got.size(1); ++x)
      ASSERT_NEAR(got[y][x].item<double>(), crop(map, covered(c, y, x)).to(at::kDouble).mean().item<double>(),
                  1e-5)
          << y << ' ' << x;
}

TEST_P(Windows, RegionScoreFollowsTheDefinition) {
  const auto& c = GetParam();
  const int lost = c.border == Border::inside ? c.side - 1 : 0;
  const auto windows = std::max<std::int64_t>(0, c.height - lost) * std::max<std::int64_t>(0, c.width - lost);
  if (windows > 2500) return;  // the definition is slow
  constexpr int kClassesHere = 5;
  const auto prob = (2 * at::randn({kClassesHere, c.height, c.width})).softmax(0);
  const auto got = region_score(prob, c.side, c.border);
  const auto label = prob.argmax(0);
  const auto entropy = -(prob * (prob + 1e-6).log()).sum(0) / std::log(kClassesHere);
  for (int y = 0; y < got.score.size(0); ++y)
    for (int x = 0; x < got.score.size(1); ++x) {
      const auto box = covered(c, y, x);
      const auto d =
          at::bincount(crop(label, box).reshape({-1}), {}, kClassesHere).to(at::kDouble) / box.area();
      const double impurity = -(d * (d + 1e-6).log()).sum().item<double>() / std::log(kClassesHere);
      const double uncertainty = crop(entropy, box).mean().item<double>();
      ASSERT_NEAR(got.impurity[y][x].item<double>(), impurity, 2e-6) << y << ' ' << x;
      ASSERT_NEAR(got.uncertainty[y][x].item<double>(), uncertainty, 1e-5) << y << ' ' << x;
      ASSERT_NEAR(got.score[y][x].item<double>(), impurity * uncertainty, 1e-5) << y << ' ' << x;
    }
}

INSTANTIATE_TEST_SUITE_P(Random, Windows, testing::ValuesIn(window_cases()));

TEST(RegionScore, GpuAgreesWithItsCpuTwin) {
  if (!at::hasCUDA()) GTEST_SKIP() << "no GPU";
  for (const auto border : {Border::inside, Border::clipped})
    for (const int side : {1, 3, 8, 65}) {
      SCOPED_TRACE(side);
      const auto prob = test::random_prediction({333, 207}, static_cast<std::uint64_t>(side)).prob_chw;
      const auto gpu = region_score(prob.to(at::kCUDA), side, border);
      const auto cpu = region_score_cpu(prob, side, border);
      EXPECT_TRUE(gpu.impurity.allclose(cpu.impurity, 1e-4, 1e-6));
      EXPECT_TRUE(gpu.uncertainty.allclose(cpu.uncertainty, 1e-4, 1e-6));
      EXPECT_TRUE(gpu.score.allclose(cpu.score, 1e-4, 1e-6));
    }
}

/// The definition: the best free window, first in (y, x) among equals, until there is none.
std::vector<Pick> naive_picks(at::Tensor score, const cv::Mat& blocked, int side, std::int64_t count) {
  score = score.clone();
  auto value = score.accessor<float, 2>();
  const float none = -std::numeric_limits<float>::infinity();
  for (int y = 0; y < score.size(0); ++y)
    for (int x = 0; x < score.size(1); ++x)
      if (!blocked.empty() && blocked.at<std::uint8_t>(y, x) != 0) value[y][x] = none;
  std::vector<Pick> picks;
  while (static_cast<std::int64_t>(picks.size()) < count) {
    Pick best{none, 0, 0};
    for (int y = 0; y < score.size(0); ++y)
      for (int x = 0; x < score.size(1); ++x)
        if (value[y][x] > best.score) best = {value[y][x], y, x};
    if (best.score == none) break;
    picks.push_back(best);
    for (int y = std::max(0, best.y - side + 1);
         y < std::min<int>(static_cast<int>(score.size(0)), best.y + side); ++y)
      for (int x = std::max(0, best.x - side + 1);
           x < std::min<int>(static_cast<int>(score.size(1)), best.x + side); ++x)
        value[y][x] = none;
  }
  return picks;
}

TEST(GreedyPicks, FollowTheDefinitionWithTiesAndBlocks) {
  config::Random rng(5);
  for (int trial = 0; trial < 60; ++trial) {
    const int height = 1 + static_cast<int>(rng.below(50));
    const int width = 1 + static_cast<int>(rng.below(70));
    const int side = 1 + static_cast<int>(rng.below(9));
    auto score = at::randn({height, width});
    if (trial % 2 == 0) score = (score * 2).round();  // many ties, and zeros of both signs
    cv::Mat blocked;
    if (trial % 3 == 0) {
      blocked = cv::Mat::zeros(height, width, CV_8UC1);
      for (int k = 0; k < height * width / 3; ++k)
        blocked.data[rng.below(static_cast<std::uint64_t>(height) * static_cast<std::uint64_t>(width))] = 9;
    }
    const auto count = static_cast<std::int64_t>(trial % 5 == 0 ? 100'000 : 1 + rng.below(40));
    const auto got = greedy_picks(score, blocked, {.apart = side, .count = count});
    const auto want = naive_picks(score, blocked, side, count);
    ASSERT_EQ(got.size(), want.size()) << trial;
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].y, want[i].y) << trial << " pick " << i;
      ASSERT_EQ(got[i].x, want[i].x) << trial << " pick " << i;
    }
  }
}

TEST(GreedyPicks, LeavesOutWhatMayNotBeAsked) {
  const float none = -std::numeric_limits<float>::infinity();
  const auto picks =
      greedy_picks(at::tensor({none, 1.0F, none}).reshape({1, 3}), {}, {.apart = 1, .count = 3});
  ASSERT_EQ(picks.size(), 1U);
  EXPECT_EQ(picks[0].x, 1);
}

TEST(GreedyPicks, RefusesWhatIsNoNumber) {
  const auto score = at::full({2, 2}, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THROW(greedy_picks(score, {}, {.apart = 1, .count = 1}), Error);
}

TEST(PoolPick, IsGreedyOverAllFrames) {
  config::Random rng(8);
  for (int trial = 0; trial < 20; ++trial) {
    const int side = 1 + static_cast<int>(rng.below(4));
    const auto count = static_cast<std::int64_t>(1 + rng.below(60));
    const auto per_frame = static_cast<std::int64_t>(trial % 2 == 0 ? 1000 : 1 + rng.below(8));
    PoolPick pool(count, side, side);
    std::vector<Region> want;
    for (const char* id : {"c", "a", "d", "b"}) {
      const auto score = (at::randn({20, 30}) * 3).round();  // ties across frames
      pool.add(id, greedy_picks(score, {}, pool.limits(per_frame)));
      for (const auto& pick : naive_picks(score, {}, side, per_frame))
        want.push_back({id, cv::Rect(pick.x, pick.y, side, side), static_cast<double>(pick.score)});
    }
    std::sort(want.begin(), want.end(), asked_before);
    want.resize(std::min(want.size(), static_cast<std::size_t>(count)));
    const auto got = pool.finish();
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      ASSERT_EQ(got[i].frame_id, want[i].frame_id) << trial << ' ' << i;
      ASSERT_EQ(got[i].box_px, want[i].box_px) << trial << ' ' << i;
    }
  }
}

TEST(WindowsTouching, MarksExactlyThoseThatDo) {
  config::Random rng(2);
  cv::Mat asked = cv::Mat::zeros(23, 31, CV_8UC1);
  for (int i = 0; i < 12; ++i) asked.data[rng.below(23 * 31)] = 200;
  for (const int side : {1, 2, 5, 23}) {
    const cv::Mat touching = windows_touching(asked, side);
    ASSERT_EQ(touching.size(), cv::Size(31 - side + 1, 23 - side + 1));
    for (int y = 0; y < touching.rows; ++y)
      for (int x = 0; x < touching.cols; ++x)
        ASSERT_EQ(touching.at<std::uint8_t>(y, x) != 0,
                  cv::countNonZero(asked(cv::Rect(x, y, side, side))) > 0);
  }
  EXPECT_TRUE(windows_touching({}, 3).empty());
}

TEST(WindowsTouching, WithAMarginMarksThoseThatComeNear) {
  config::Random rng(3);
  cv::Mat asked = cv::Mat::zeros(23, 31, CV_8UC1);
  for (int i = 0; i < 3; ++i) asked.data[rng.below(23 * 31)] = 200;
  asked.at<std::uint8_t>(0, 0) = 1;
  for (const int margin : {1, 4, 30})
    for (const int side : {1, 3}) {
      const cv::Mat near = windows_touching(asked, side, margin);
      for (int y = 0; y < near.rows; ++y)
        for (int x = 0; x < near.cols; ++x) {
          const cv::Rect reach(x - margin, y - margin, side + 2 * margin, side + 2 * margin);
          ASSERT_EQ(near.at<std::uint8_t>(y, x) != 0,
                    cv::countNonZero(asked(reach & cv::Rect(0, 0, 31, 23))) > 0);
        }
    }
}

TEST(CityQuota, SumsToWhatIsAskedAndNeverMoreThanIsLeft) {
  config::Random rng(4);
  for (int trial = 0; trial < 500; ++trial) {
    std::vector<GroupCount> groups(1 + rng.below(8));
    std::int64_t left = 0;
    for (auto& group : groups) {
      group.images = static_cast<std::int64_t>(rng.below(20));
      group.asked = static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(group.images) + 1));
      left += group.images - group.asked;
    }
    const auto ask = static_cast<std::int64_t>(rng.below(80));
    const auto quota = city_quota(groups, ask);
    std::int64_t sum = 0;
    for (std::size_t g = 0; g < groups.size(); ++g) {
      EXPECT_GE(quota[g], 0);
      EXPECT_LE(quota[g], groups[g].images - groups[g].asked);
      sum += quota[g];
    }
    EXPECT_EQ(sum, std::min(ask, left)) << trial;
  }
  EXPECT_TRUE(city_quota({}, 5).empty());
}

struct OneChoice {
  config::Chosen strategy{"random"};
};
void describe(config::Fields& f, OneChoice& o) {
  f.chosen("strategy", o.strategy, strategy_choices(), "how regions are chosen");
}

TEST(StrategyChoices, AStrategyBringsItsOwnOptions) {
  OneChoice one;
  config::apply_text("strategy: {name: ripu_pixel, radius_px: 5}", "here.yaml", one);
  EXPECT_EQ(one.strategy.options<RipuPixelOptions>().radius_px, 5);
  config::apply_text("strategy: ripu", "here.yaml", one);
  EXPECT_EQ(one.strategy.name(), "ripu");
  try {
    config::apply_text("strategy: {name: ripu, radius_px: 5}", "here.yaml", one);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("it is an option of 'ripu_pixel', not of 'ripu'"));
  }
}

TEST(StrategyChoices, WhatIsAskedForHasASide) {
  EXPECT_EQ(asked_side_px(config::Chosen("cover"), 64), 64);
  EXPECT_EQ(asked_side_px(config::Chosen("entropy"), 8), 8);
  EXPECT_EQ(asked_side_px(config::Chosen("ripu_pixel"), 8), 1);
  EXPECT_EQ(asked_side_px(config::Chosen("image_random"), 8), std::nullopt);
}

SelectRequest request_for(std::int64_t pixels) {
  SelectRequest request;
  request.budget.pixels = pixels;
  return request;
}

TEST(Ripu, DoesNotDependOnTheOrderOfThePool) {
  auto pool = test::random_pool(4, {{60, 44}});
  const auto first = make_strategy(config::Chosen("ripu"))->select(pool, request_for(1000)).regions;
  std::reverse(pool.frames.begin(), pool.frames.end());
  const auto second = make_strategy(config::Chosen("ripu"))->select(pool, request_for(1000)).regions;
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].box_px, second[i].box_px);
}

/// RIPU's code (PixelSelection): a pick takes (2 radius + 1)^2 pixels out of this round and the later ones.
TEST(RipuPixel, APickKeepsItsWindowToItselfInAllRounds) {
  auto pool = test::random_pool(2, {{90, 70}});
  auto request = request_for(12);
  const config::Chosen strategy("ripu_pixel", RipuPixelOptions{.radius_px = 6});
  std::map<std::string, std::vector<cv::Point>> picks;
  for (int round = 0; round < 3; ++round) {
    const auto regions = make_strategy(strategy)->select(pool, request).regions;
    ASSERT_EQ(regions.size(), 12U);
    for (const auto& region : regions) {
      ASSERT_EQ(region.box_px.size(), cv::Size(1, 1));
      for (const auto& other : picks[region.frame_id])
        ASSERT_GT(std::max(std::abs(region.box_px.x - other.x), std::abs(region.box_px.y - other.y)), 6)
            << "round " << round << ": " << region.box_px << " beside " << other;
      picks[region.frame_id].push_back(region.box_px.tl());
      for (auto& frame : pool.frames) {
        if (frame.asked.empty()) frame.asked = cv::Mat::zeros(frame.size, CV_8UC1);
        if (frame.id == region.frame_id) frame.asked(region.box_px).setTo(kLabelled);
      }
    }
  }
}

TEST(Random, AnotherSeedAsksElsewhere) {
  for (const char* name : {"random", "image_random"}) {
    auto pool = test::random_pool(12, {{60, 44}});
    auto request = request_for(4L * 60 * 44);
    const auto first = make_strategy(config::Chosen(name))->select(pool, request).regions;
    request.seed = 99;
    const auto second = make_strategy(config::Chosen(name))->select(pool, request).regions;
    ASSERT_EQ(first.size(), second.size());
    int same = 0;
    for (const auto& a : first)
      same += std::any_of(second.begin(), second.end(),
                          [&](const Region& b) { return a.frame_id == b.frame_id && a.box_px == b.box_px; });
    EXPECT_LT(same, static_cast<int>(first.size())) << name;
    EXPECT_EQ(pool.predictions(), 0) << name;
  }
}

TEST(ImageEntropy, TakesTheMostUncertainOfEveryGroup) {
  auto pool = test::random_pool(8, {{24, 16}});
  for (int i = 0; i < 8; ++i) {  // frame i is the flatter the larger i; groups alternate
    const auto logits = at::zeros({test::kPoolClasses, 16, 24});
    logits[0].fill_(8.0 - i);
    pool.frames[static_cast<std::size_t>(i)].prediction.prob_chw = logits.softmax(0);
  }
  const auto regions =
      make_strategy(config::Chosen("image_entropy"))->select(pool, request_for(4L * 24 * 16)).regions;
  std::vector<std::string> ids;
  for (const auto& region : regions) ids.push_back(region.frame_id);
  EXPECT_EQ(ids, (std::vector<std::string>{"frame_07", "frame_06", "frame_05", "frame_04"}));
}

TEST(ImageRandom, ABudgetOfWholeImagesIsSoMany) {
  for (const int frames : {30, 44, 52, 55, 88}) {
    auto pool = test::random_pool(frames, {{8, 6}});
    const auto regions =
        make_strategy(config::Chosen("image_random"))->select(pool, request_for(30L * 8 * 6)).regions;
    EXPECT_EQ(regions.size(), 30U) << frames;
  }
}

TEST(ImageEntropy, ALimitBelowOneFrameIsExplained) {
  auto pool = test::random_pool(2, {{24, 16}});
  auto request = request_for(10'000);
  request.budget.pixels_per_frame = 100;
  EXPECT_THROW(make_strategy(config::Chosen("image_entropy"))->select(pool, request), Error);
}

}  // namespace
}  // namespace driftloop::adapt
