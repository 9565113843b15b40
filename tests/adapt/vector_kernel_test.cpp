// The vector loops of acquisition for every kind of machine that this one can stand for: exp and log against
// the library's, maps and scores against those of plain instructions, which other tests hold to the
// definition.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "adapt/acquisition/pixel_maps.h"
#include "adapt/acquisition/region_score.h"
#include "adapt/acquisition/window.h"

#define DRIFTLOOP_KERNEL "tests/adapt/vector_math_probe.inc"
#include "adapt/model/for_each_cpu.inc"

namespace driftloop::adapt {
namespace {

class VectorKernels : public testing::TestWithParam<Cpu> {
 protected:
  void SetUp() override {
    if (GetParam() > best_cpu()) GTEST_SKIP() << "skipped: this machine has no such instructions";
    limit_cpu(GetParam());
  }
  void TearDown() override { limit_cpu(Cpu::avx512); }
};
INSTANTIATE_TEST_SUITE_P(Each, VectorKernels, testing::Values(Cpu::any, Cpu::avx2, Cpu::avx512),
                         [](const auto& test) {
                           return test.param == Cpu::any    ? "any"
                                  : test.param == Cpu::avx2 ? "avx2"
                                                            : "avx512";
                         });

TEST_P(VectorKernels, Exp2IsWithinItsBound) {
  std::vector<float> x;
  for (double at = 0; at > -126; at -= 0.000937) x.push_back(static_cast<float>(at));
  x.push_back(-3e38F);
  x.resize((x.size() + 15) / 16 * 16, 0);
  std::vector<float> y(x.size());
  DRIFTLOOP_BEST(exp2_of)(x.data(), std::ssize(x), y.data());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = std::exp2(std::max(-126.0, static_cast<double>(x[i])));
    ASSERT_NEAR(static_cast<double>(y[i]) / exact, 1, 3e-7) << x[i];
  }
}

TEST_P(VectorKernels, Log2IsWithinItsBound) {
  std::vector<float> x, y(4096);
  for (int exponent = -100; exponent < 100; ++exponent) {
    x.clear();
    for (int step = 0; step < 4096; ++step)
      x.push_back(static_cast<float>(std::ldexp(1 + step / 4096.0, exponent)));
    DRIFTLOOP_BEST(log2_of)(x.data(), std::ssize(x), y.data());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = std::log2(static_cast<double>(x[i]));
      ASSERT_NEAR(y[i], exact, 5e-7 + 1e-7 * std::abs(exact)) << x[i];
    }
  }
  const std::vector<float> one(16, 1);
  DRIFTLOOP_BEST(log2_of)(one.data(), 16, y.data());
  EXPECT_EQ(y[0], 0);
}

Prediction random_logits(int classes, int height, int width, cv::Size frame_px) {
  at::manual_seed(5);
  return {.prob_chw = {},
          .feature_dhw = {},
          .logits_chw = 4 * at::randn({classes, height, width}),
          .corners = Corners::not_aligned,
          .frame_px = frame_px};
}

double apart(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kFloat) - b.to(at::kFloat)).abs().max().item<double>();
}

TEST_P(VectorKernels, MapsAndScoresAreThoseOfPlainInstructions) {
  // By 4, as nets give them; by 8; by odd shares; narrower than a register; smaller than its logits.
  auto mostly_one_class = random_logits(6, 25, 50, {200, 100});
  mostly_one_class.logits_chw.select(0, 2).slice(1, 5, 45) += 30;
  for (const auto& seen : {random_logits(19, 33, 70, {280, 132}), random_logits(5, 9, 40, {320, 72}),
                           random_logits(7, 20, 31, {101, 45}), random_logits(3, 4, 5, {20, 16}),
                           random_logits(4, 30, 60, {41, 29}), mostly_one_class}) {
    const Map all = Map::predicted | Map::confidence | Map::entropy | Map::margin;
    const auto maps_of = [&] { return pixel_maps(seen, all); };
    const auto tiles_of = [&] { return tile_classes(seen, {seen.frame_px, 5}); };
    const auto maps = maps_of();
    const auto tiles = tiles_of();
    limit_cpu(Cpu::any);
    const auto plain = maps_of();
    EXPECT_LT(apart(maps.confidence_hw, plain.confidence_hw), 2e-6);
    EXPECT_LT(apart(maps.entropy_hw, plain.entropy_hw), 2e-6);
    EXPECT_LT(apart(maps.margin_hw, plain.margin_hw), 2e-6);
    // Where the two best differ by rounding alone either may be the best.
    const bool same_classes = maps.class_hw.equal(plain.class_hw);
    EXPECT_LE((maps.class_hw != plain.class_hw).sum().item<std::int64_t>(), plain.class_hw.numel() / 10000);
    EXPECT_LE((tiles != tiles_of()).sum().item<std::int64_t>(), 1);
    limit_cpu(GetParam());
    for (const Border border : {Border::inside, Border::clipped})
      for (const int side : {1, 2, 3, 5, 8, 17}) {
        if (side > seen.frame_px.height) continue;
        const auto score = region_score(seen, side, border);
        limit_cpu(Cpu::any);
        const auto same = region_score(seen, side, border);
        limit_cpu(GetParam());
        if (same_classes) {
          EXPECT_LT(apart(score.impurity, same.impurity), 2e-6) << side;
        }
        EXPECT_LT(apart(score.uncertainty, same.uncertainty), 2e-6) << side;
        EXPECT_TRUE(score_alone(seen, side, border).equal(score.score)) << side;
      }
  }
}

/// Of one window, too.
TEST_P(VectorKernels, LargeWindowsAreTheMeanOfTheirPixels) {
  at::manual_seed(6);
  auto map = at::rand({300, 310});
  map.slice(0, 100, 200).copy_(map.slice(0, 0, 100));
  for (const int side : {255, 256, 290}) {
    const auto mean = window_mean(map, side, Border::inside);
    const auto exact = at::avg_pool2d(map.to(at::kDouble).view({1, 1, 300, 310}), side, /*stride=*/1)[0][0];
    EXPECT_LT(apart(mean, exact), 1e-6) << side;
  }
}

}  // namespace
}  // namespace driftloop::adapt
