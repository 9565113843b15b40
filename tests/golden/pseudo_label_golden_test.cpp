#include <ATen/ATen.h>

#include "adapt/selftrain/pseudo_label.h"
#include "tests/golden/golden_case.h"

namespace driftloop::test {

TEST(Golden, PseudoLabel) {
  for_each_case("pseudo_label", [](const GoldenCase& golden) {
    const auto prob_nchw = golden.in("logits").softmax(1);
    const double percent = golden.number("percent");
    const auto paper = adapt::make_pseudo_labels(prob_nchw, percent, adapt::PseudoLabelRule::paper);
    expect_close(paper.entropy_nhw, golden.out("entropy"));
    expect_same(paper.label_nhw, golden.out("paper"));
    const auto released = adapt::make_pseudo_labels(prob_nchw, percent, adapt::PseudoLabelRule::as_released);
    expect_same(released.label_nhw, golden.out("as_released"));
    const auto thresholds = at::tensor(
        {adapt::percentile(paper.entropy_nhw, percent), adapt::percentile(paper.entropy_nhw, 100 - percent)},
        at::kFloat);
    expect_close(thresholds, golden.out("thresholds_low_high"));
  });
}

}  // namespace driftloop::test
