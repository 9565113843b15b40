#include <torch/torch.h>

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

// Cases with sample = 1 are for the class-wise sampling of method section 3.4c, which is not built yet.
TEST(Golden, Consistency) {
  for_each_case("consistency", [](const GoldenCase& golden) {
    if (golden.number("sample") != 0) return;
    const auto student = golden.in("student").clone().requires_grad_();
    const auto loss = adapt::consistency_loss(student, {golden.in("pseudo"), golden.in("confidence")},
                                              golden.number("gamma"));
    loss.backward();
    expect_close(loss.detach().view({1}), golden.out("loss"));
    expect_close(student.grad(), golden.out("grad_student"));
  });
}

}  // namespace driftloop::test
