#include <ATen/ATen.h>

#include "adapt/eval/confusion.h"
#include "config/label_space.h"
#include "tests/golden/golden_case.h"

namespace driftloop::test {

TEST(Golden, Iou) {
  for_each_case("iou", [](const GoldenCase& golden) {
    adapt::Confusion confusion(config::kClasses);
    for (std::int64_t n = 0; n < golden.in("pred").size(0); ++n)
      confusion.add(golden.in("pred")[n], golden.in("target")[n]);
    for (int c = 0; c < config::kClasses; ++c) {
      EXPECT_EQ(confusion.intersection(c), golden.out("intersection")[c].item<std::int64_t>())
          << "class " << c;
      EXPECT_EQ(confusion.union_area(c), golden.out("union")[c].item<std::int64_t>()) << "class " << c;
      EXPECT_EQ(confusion.label_area(c), golden.out("target_area")[c].item<std::int64_t>()) << "class " << c;
    }
    EXPECT_NEAR(confusion.miou(), golden.out("miou")[0].item<double>(), 1e-6);
  });
}

}  // namespace driftloop::test
