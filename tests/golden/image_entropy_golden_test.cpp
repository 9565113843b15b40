#include <ATen/ATen.h>

#include "adapt/acquisition/region_score.h"
#include "tests/golden/golden_case.h"

namespace driftloop::test {

TEST(Golden, ImageEntropy) {
  for_each_case("image_entropy", [](const GoldenCase& golden) {
    const auto entropy_hw = adapt::normalised_entropy(golden.in("logits").softmax(0));
    expect_close(entropy_hw, golden.out("pixel_entropy"));
    expect_close(entropy_hw.mean().reshape({1}), golden.out("mean"));
  });
}

}  // namespace driftloop::test
