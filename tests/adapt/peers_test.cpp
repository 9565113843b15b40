// The published strategies that stand beside ours: what each one's own rule is.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <opencv2/core.hpp>
#include <set>

#include "adapt/acquisition/max_herding.h"
#include "adapt/acquisition/pixel_maps.h"
#include "adapt/acquisition/pixelpick.h"
#include "adapt/acquisition/strategy.h"
#include "tests/adapt/synthetic_pool.h"

namespace driftloop::adapt {
namespace {

at::Tensor unit_rows(std::int64_t count, std::int64_t channels) {
  const auto rows = at::randn({count, channels});
  return rows / rows.norm(2, 1, true);
}

/// The mean over the points of the best kernel value, by the definition.
double coverage(const at::Tensor& points, const at::Tensor& taken, double sigma) {
  return (-(at::cdist(points, taken).square()) / (sigma * sigma)).exp().amax(1).mean().item<double>();
}

TEST(MaxHerding, EachStepTakesTheBestOfAllByTheDefinition) {
  at::manual_seed(1);
  for (const double sigma : {0.3, 1.0}) {
    const auto points = unit_rows(60, 5), candidates = unit_rows(100, 5), before = unit_rows(3, 5);
    const auto taken = max_herding(
        {.point_nd = points, .candidate_md = candidates, .taken_kd = before, .sigma = sigma, .count = 12});
    ASSERT_EQ(taken.size(), 12U);
    EXPECT_EQ(std::set<std::int64_t>(taken.begin(), taken.end()).size(), 12U);
    auto so_far = before;
    for (const auto one : taken) {
      double best = 0;
      for (std::int64_t c = 0; c < candidates.size(0); ++c)
        best = std::max(best, coverage(points, at::cat({so_far, candidates.slice(0, c, c + 1)}), sigma));
      so_far = at::cat({so_far, candidates.slice(0, one, one + 1)});
      EXPECT_NEAR(coverage(points, so_far, sigma), best, 1e-5) << one;
    }
  }
}

TEST(MaxHerding, WhatMayNotBeTakenIsLeftOutAndCoversNothing) {
  at::manual_seed(2);
  const auto points = unit_rows(30, 4), candidates = unit_rows(20, 4);
  const auto even = max_herding(
      {.point_nd = points, .candidate_md = candidates, .count = 20, .may_take = [](std::int64_t candidate) {
         return candidate % 2 == 0;
       }});
  EXPECT_EQ(even.size(), 10U);
  const auto alone = max_herding(
      {.point_nd = points, .candidate_md = candidates.index_select(0, at::arange(0, 20, 2)), .count = 20});
  for (std::size_t i = 0; i < even.size(); ++i) EXPECT_EQ(even[i], 2 * alone[i]) << i;
}

TEST(MaxHerding, StopsWhereItIsTold) {
  at::manual_seed(3);
  int steps = 0;
  const auto taken = max_herding(
      {.point_nd = unit_rows(30, 4), .candidate_md = unit_rows(20, 4), .count = 20, .before_step = [&] {
         return ++steps <= 4;
       }});
  EXPECT_EQ(taken.size(), 3U) << "one step bounds all";
}

TEST(PixelPick, AsksTheUncertainPixelsOfEachFrameByLot) {
  auto pool = test::random_pool(4, {{52, 40}});
  constexpr double kShare = 0.05;
  const auto uncertain = static_cast<std::int64_t>(kShare * 52 * 40);
  SelectRequest request;
  request.budget.pixels_per_frame = 10;
  const auto strategy =
      make_strategy(config::Chosen("pixelpick", PixelPickOptions{.uncertain_share = kShare}));
  const auto regions = strategy->select(pool, request).regions;
  ASSERT_EQ(regions.size(), 40U);
  std::map<std::string, at::Tensor> margins;
  for (const auto& frame : pool.frames)
    margins[frame.id] = pixel_maps(frame.prediction, Map::margin).margin_hw;
  std::int64_t best = 0;
  for (const auto& region : regions) {
    EXPECT_EQ(region.box_px.size(), cv::Size(1, 1));
    const auto& margin = margins.at(region.frame_id);
    const auto above = (margin > margin[region.box_px.y][region.box_px.x]).sum().item<std::int64_t>();
    EXPECT_LT(above, uncertain) << region.frame_id << region.box_px;
    best += above < 10;
  }
  EXPECT_LT(best, 20) << "by lot, not the most uncertain first";
  request.seed = 1;
  const auto others = strategy->select(pool, request).regions;
  int same = 0;
  for (std::size_t i = 0; i < others.size(); ++i)
    for (const auto& region : regions)
      same += region.frame_id == others[i].frame_id && region.box_px == others[i].box_px;
  EXPECT_LT(same, 20) << "another seed draws other pixels";
}

TEST(Halo, WantsLargeFeaturesWhereTheNetIsUnsure) {
  // Left half unsure, right half sure; features large in the upper half.
  auto logits = at::zeros({6, 32, 64});
  logits.slice(2, 32, 64)[1] += 8.0;
  auto feature = at::full({4, 4, 8}, 0.1F);
  feature.slice(1, 0, 2) += 1.0;
  test::SyntheticPool pool;
  pool.frames.push_back(
      {.id = "f", .group = "g", .size = {64, 32}, .prediction = {logits.softmax(0), feature}, .asked = {}});
  SelectRequest request;
  request.budget.regions = 3;
  for (const auto& region : make_strategy(config::Chosen("halo"))->select(pool, request).regions) {
    EXPECT_LE(region.box_px.br().x, 32) << region.box_px;
    EXPECT_LE(region.box_px.br().y, 16) << region.box_px;
  }
}

}  // namespace
}  // namespace driftloop::adapt
