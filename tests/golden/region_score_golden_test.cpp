#include <ATen/ATen.h>

#include <cmath>

#include "adapt/acquisition/pick.h"
#include "adapt/acquisition/region_score.h"
#include "tests/golden/golden_case.h"

namespace driftloop::test {

TEST(Golden, RegionScore) {
  for_each_case("region_score", [](const GoldenCase& golden) {
    const int side = 2 * static_cast<int>(golden.number("radius")) + 1;
    const auto prob_chw = golden.in("logits").softmax(0);
    const auto score = adapt::region_score(prob_chw, side, adapt::Border::clipped);
    expect_close(score.impurity, golden.out("impurity"));
    expect_close(score.uncertainty, golden.out("uncertainty"));
    expect_close(score.score, golden.out("score"));

    const auto pixels = static_cast<double>(prob_chw.size(1) * prob_chw.size(2));
    const auto count = static_cast<std::int64_t>(std::ceil(pixels * golden.number("ratio") / (side * side)));
    const auto picks = adapt::greedy_picks(score.score, {}, {.apart = side, .count = count});
    const auto want = golden.out("picks_yx");
    ASSERT_EQ(static_cast<std::int64_t>(picks.size()), want.size(0));
    for (std::size_t i = 0; i < picks.size(); ++i) {
      EXPECT_EQ(picks[i].y, want[static_cast<std::int64_t>(i)][0].item<int>()) << "pick " << i;
      EXPECT_EQ(picks[i].x, want[static_cast<std::int64_t>(i)][1].item<int>()) << "pick " << i;
    }
  });
}

}  // namespace driftloop::test
