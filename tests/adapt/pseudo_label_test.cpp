#include "adapt/selftrain/pseudo_label.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

at::Tensor random_prob() {
  at::manual_seed(3);
  return (3 * at::randn({2, 5, 20, 30})).softmax(1);
}

TEST(PseudoLabel, ThePaperDropsTheMostUncertain) {
  const auto prob = random_prob();
  const auto labels = make_pseudo_labels(prob, 20, PseudoLabelRule::paper);
  const auto dropped = labels.label_nhw.eq(255);
  EXPECT_NEAR(dropped.to(at::kFloat).mean().item<double>(), 0.2, 0.005);
  EXPECT_GE(labels.entropy_nhw.masked_select(dropped).min().item<float>(),
            labels.entropy_nhw.masked_select(dropped.logical_not()).max().item<float>());
  const auto kept = dropped.logical_not();
  EXPECT_TRUE(labels.label_nhw.masked_select(kept).equal(prob.argmax(1).masked_select(kept)));
  EXPECT_TRUE(labels.confidence_nhw.equal(std::get<0>(prob.max(1))));
}

TEST(PseudoLabel, TheReleasedRuleDropsTheMostCertain) {
  const auto labels = make_pseudo_labels(random_prob(), 20, PseudoLabelRule::as_released);
  const auto dropped = labels.label_nhw.eq(255);
  EXPECT_NEAR(dropped.to(at::kFloat).mean().item<double>(), 0.2, 0.005);
  EXPECT_LE(labels.entropy_nhw.masked_select(dropped).max().item<float>(),
            labels.entropy_nhw.masked_select(dropped.logical_not()).min().item<float>());
}

TEST(PseudoLabel, AtZeroPercentEverythingIsKept) {
  for (const auto rule : {PseudoLabelRule::paper, PseudoLabelRule::as_released})
    EXPECT_EQ(make_pseudo_labels(random_prob(), 0, rule).label_nhw.eq(255).sum().item<int>(), 0);
}

TEST(PseudoLabel, PercentFallsToZero) {
  EXPECT_DOUBLE_EQ(dropped_percent(0), 20);
  EXPECT_DOUBLE_EQ(dropped_percent(0.5), 10);
  EXPECT_DOUBLE_EQ(dropped_percent(1), 0);
  EXPECT_DOUBLE_EQ(dropped_percent(1.5), 0);  // past the horizon
}

TEST(PseudoLabel, PercentileInterpolates) {
  const auto values = at::tensor({4.0, 1.0, 3.0, 2.0}, at::kFloat);
  EXPECT_DOUBLE_EQ(percentile(values, 0), 1);
  EXPECT_DOUBLE_EQ(percentile(values, 50), 2.5);
  EXPECT_DOUBLE_EQ(percentile(values, 100), 4);
}

TEST(PseudoLabel, RulesHaveNames) {
  EXPECT_EQ(pseudo_label_rule("paper"), PseudoLabelRule::paper);
  EXPECT_EQ(pseudo_label_rule("as_released"), PseudoLabelRule::as_released);
  EXPECT_THROW(pseudo_label_rule("papper"), Error);
}

}  // namespace
}  // namespace driftloop::adapt
