#include "adapt/torch.h"

#include "adapt/losses/consistency.h"
#include "adapt/losses/ohem.h"
#include "tests/golden/golden_case.h"

namespace driftloop::test {

TEST(Golden, Ohem) {
  for_each_case("ohem", [](const GoldenCase& golden) {
    const auto main = golden.in("main").clone().requires_grad_(),
               aux = golden.in("aux").clone().requires_grad_();
    const adapt::OhemOptions options{golden.number("thresh"),
                                     static_cast<std::int64_t>(golden.number("min_kept"))};
    const auto loss =
        adapt::ohem_cross_entropy(main, golden.in("target"), options) +
        golden.number("aux_weight") * adapt::ohem_cross_entropy(aux, golden.in("target"), options);
    loss.backward();
    expect_close(loss.detach().view({1}), golden.out("loss"));
    expect_close(main.grad(), golden.out("grad_main"));
    expect_close(aux.grad(), golden.out("grad_aux"));
  });
}

TEST(Golden, Consistency) {
  for_each_case("consistency", [](const GoldenCase& golden) {
    const auto student = golden.in("student").clone().requires_grad_();
    const auto& pseudo = golden.in("pseudo");
    adapt::ClassSampling sampling;
    if (golden.number("sample") != 0) {  // the case's random maps are one for each class, for all images
      const auto class_of = std::get<1>(student.detach().max(1, /*keepdim=*/true));
      sampling = {golden.in("class_confidence"), golden.in("random")
                                                     .unsqueeze(0)
                                                     .expand({pseudo.size(0), -1, -1, -1})
                                                     .gather(1, class_of)
                                                     .squeeze(1)};
    }
    const auto loss =
        adapt::consistency_loss(student, {pseudo, golden.in("confidence")}, golden.number("gamma"), sampling);
    loss.backward();
    expect_close(loss.detach().view({1}), golden.out("loss"));
    expect_close(student.grad(), golden.out("grad_student"));
  });
}

TEST(Golden, ClassConfidence) {
  for_each_case("class_confidence", [](const GoldenCase& golden) {
    const auto sums = adapt::class_probability_sums(golden.in("logits"), golden.in("target"));
    expect_close((sums[0] / sums[1].clamp_min(1)).to(at::kFloat), golden.out("confidence"));
  });
}

}  // namespace driftloop::test
