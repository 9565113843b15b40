// The pass from logits to per-pixel maps against LibTorch, one step after the other.
#include "adapt/acquisition/pixel_maps.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "adapt/acquisition/region_score.h"
#include "adapt/model/segmentation_net.h"

namespace driftloop::adapt {
namespace {

struct Shape {
  int classes, height, width;
  cv::Size frame_px;
  Corners corners;
};

void PrintTo(const Shape& s, std::ostream* to) {
  *to << s.classes << "x" << s.height << "x" << s.width << " to " << s.frame_px.height << "x"
      << s.frame_px.width << (s.corners == Corners::aligned ? " aligned" : "");
}

Prediction random_logits(const Shape& s, double spread) {
  at::manual_seed(static_cast<std::uint64_t>(s.width + 7 * s.classes));
  return {.prob_chw = {},
          .feature_dhw = {},
          .logits_chw = spread * at::randn({s.classes, s.height, s.width}),
          .corners = s.corners,
          .frame_px = s.frame_px};
}

class PixelMapsOf : public testing::TestWithParam<Shape> {};

TEST_P(PixelMapsOf, LogitsAreThoseOfLibTorch) {
  for (const double spread : {0.5, 4.0, 60.0}) {
    SCOPED_TRACE(spread);
    const Prediction prediction = random_logits(GetParam(), spread);
    const auto& s = GetParam();
    const auto prob =
        upsample(prediction.logits_chw.unsqueeze(0), s.frame_px.height, s.frame_px.width, s.corners)[0]
            .softmax(0);
    const auto maps = pixel_maps(prediction, Map::predicted | Map::confidence | Map::entropy | Map::margin);
    const auto best = std::get<0>(prob.topk(2, 0));
    const auto worst = [](const at::Tensor& a, const at::Tensor& b) {
      return (a - b).abs().max().item<double>();
    };
    // A logit of 200 is known to 1e-5 of it, whoever enlarges it.
    const double tolerance = spread > 10 ? 2e-4 : 1e-5;
    EXPECT_LT(worst(maps.confidence_hw, best[0]), tolerance);
    EXPECT_LT(worst(maps.margin_hw, 1 - (best[0] - best[1])), tolerance);
    const double epsilon = s.classes * 1e-6 / std::log(s.classes);
    EXPECT_LT(worst(maps.entropy_hw, normalised_entropy(prob)), tolerance + epsilon);
    const auto clear = best[0] - best[1] > 2 * tolerance;
    EXPECT_TRUE(
        (maps.class_hw.to(at::kLong) == prob.argmax(0)).logical_or(clear.logical_not()).all().item<bool>());
  }
}

TEST_P(PixelMapsOf, TilesHaveTheClassOfTheirMeanProbability) {
  const Prediction prediction = random_logits(GetParam(), 2);
  const auto& s = GetParam();
  for (const int tile_px : {1, 3, 8, 15, 16, 17, 70}) {
    const TileGrid grid(s.frame_px, tile_px);
    if (grid.size() == 0) continue;
    SCOPED_TRACE(tile_px);
    const auto prob = probabilities(prediction);
    const auto mean =
        at::avg_pool2d(prob.slice(1, 0, grid.rows * tile_px).slice(2, 0, grid.columns * tile_px), tile_px)
            .flatten(1);
    const auto got = tile_classes(prediction, grid);
    ASSERT_EQ(got.sizes(), (at::IntArrayRef{grid.size()}));
    const auto lost = std::get<0>(mean.max(0)) - mean.gather(0, got.unsqueeze(0))[0];
    EXPECT_LT(lost.max().item<double>(), 1e-5);
  }
}

TEST_P(PixelMapsOf, RegionScoresFollow) {
  const Prediction prediction = random_logits(GetParam(), 2);
  const double epsilon = GetParam().classes * 1e-6 / std::log(GetParam().classes);
  for (const auto border : {Border::inside, Border::clipped}) {
    const auto got = region_score(prediction, 5, border);
    const auto want = region_score(probabilities(prediction), 5, border);
    ASSERT_EQ(got.score.sizes(), want.score.sizes());
    if (got.score.numel() == 0) continue;
    EXPECT_LT((got.uncertainty - want.uncertainty).abs().max().item<double>(), 1e-5 + epsilon);
    // A pixel whose two best classes tie may count for either.
    EXPECT_LT((got.impurity - want.impurity).abs().mean().item<double>(), 1e-5);
    EXPECT_LT((score_alone(prediction, 5, border) - got.score).abs().max().item<double>(), 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sizes, PixelMapsOf,
    testing::Values(Shape{19, 32, 64, {256, 128}, Corners::not_aligned},
                    Shape{19, 33, 65, {256, 128}, Corners::aligned}, Shape{2, 1, 1, {7, 5}, Corners::aligned},
                    Shape{5, 45, 60, {480, 360}, Corners::not_aligned},
                    Shape{7, 90, 160, {1280, 720}, Corners::not_aligned},  // twice the working size
                    Shape{6, 40, 53, {53, 40}, Corners::aligned},          // nothing to enlarge
                    Shape{4, 50, 80, {37, 29}, Corners::not_aligned},      // smaller
                    Shape{33, 23, 41, {299, 171}, Corners::aligned},
                    Shape{255, 6, 9, {61, 43}, Corners::not_aligned}));

TEST(PixelMaps, AreTheSameOnAnyNumberOfThreads) {
  const Prediction prediction = random_logits({19, 70, 90, {360, 281}, Corners::aligned}, 2);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const auto one = region_score(prediction, 9, Border::clipped).score;
  at::set_num_threads(3);
  const auto three = region_score(prediction, 9, Border::clipped).score;
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(one, three));
}

/// Windows of more pixels than 16 bits count, and more classes than a vector holds.
TEST(RegionScore, ManyClassesAndLargeWindows) {
  for (const int classes : {8, 19, 31, 32, 33, 200, 255}) {
    SCOPED_TRACE(classes);
    at::manual_seed(static_cast<std::uint64_t>(classes));
    const auto prob = (2 * at::randn({classes, 9, 80})).softmax(0);
    const auto got = region_score(prob, 9, Border::inside).impurity[0];
    const auto label = prob.argmax(0);
    for (int x = 0; x < got.size(0); ++x) {
      const auto d = at::bincount(label.slice(1, x, x + 9).reshape({-1}), {}, classes).to(at::kDouble) / 81;
      ASSERT_NEAR(got[x].item<double>(), -(d * (d + 1e-6).log()).sum().item<double>() / std::log(classes),
                  2e-6);
    }
  }
  const auto two = at::zeros({2, 300, 300});
  two[0].slice(0, 0, 100).fill_(1);
  two[1].slice(0, 100, 300).fill_(1);
  const double want = -(std::log(1 / 3.0 + 1e-6) / 3 + 2 * std::log(2 / 3.0 + 1e-6) / 3) / std::log(2);
  EXPECT_NEAR(region_score(two, 300, Border::inside).impurity.item<double>(), want, 1e-6);
}

/// 256 and 65536 pixels of a class below windows beside one another are none to a sum of 8 or 16 bits.
TEST(RegionScore, AClassWhosePixelsFillACounterIsSeen) {
  int cases = 0;
  for (const int side : {7, 8, 11, 15, 16, 240, 241, 255})
    for (const int pixels : {256, 65536}) {
      const int columns = pixels / side, rest = pixels % side;
      if (columns >= side + 31) continue;  // more than 32 windows beside one another cover
      ++cases;
      const int width = 2 * side + 40;
      const auto one = at::zeros({side, width});
      one.slice(1, 0, columns).fill_(1);
      one.select(1, columns).slice(0, 0, rest).fill_(1);
      const auto got = region_score(at::stack({one, 1 - one}), side, Border::inside).impurity[0];
      for (int x = 0; x < got.size(0); ++x) {
        const double d = one.slice(1, x, x + side).mean().item<double>();
        const double want = -(d * std::log(d + 1e-6) + (1 - d) * std::log(1 - d + 1e-6)) / std::log(2);
        ASSERT_NEAR(got[x].item<double>(), want, 2e-6) << side << ' ' << pixels << ' ' << x;
      }
    }
  EXPECT_GE(cases, 6);
}

}  // namespace
}  // namespace driftloop::adapt
