#include "adapt/torch.h"

#include "adapt/losses/contrast.h"
#include "tests/golden/golden_case.h"

namespace driftloop::test {
namespace {

/// The rule of cases/README.md: draw number k of n items is item k mod n.
at::Tensor in_turn(std::int64_t of, std::int64_t count, torch::Device device) {
  return at::arange(count, at::TensorOptions(at::kLong).device(device)).remainder(of);
}

}  // namespace

TEST(Golden, Contrast) {
  for_each_case("contrast", [](const GoldenCase& golden) {
    const auto student = golden.in("rep").clone().requires_grad_();
    const adapt::ContrastInput input{student,
                                     golden.in("rep_teacher"),
                                     golden.in("prob_teacher"),
                                     golden.in("label"),
                                     golden.in("low_entropy"),
                                     golden.in("high_entropy"),
                                     static_cast<std::int64_t>(golden.number("labelled_images"))};
    const std::int64_t classes = golden.in("bank").size(0), width = student.size(1);
    const auto pixels = adapt::contrast_pixels(input);
    expect_same(pixels.anchor.view_as(golden.out("anchor_mask")), golden.out("anchor_mask"));
    expect_same(pixels.negative.view_as(golden.out("negative_mask")), golden.out("negative_mask"));
    expect_close(pixels.centre_cd, golden.out("centre"));

    adapt::ContrastBank bank(std::vector<std::int64_t>(
        static_cast<std::size_t>(classes), static_cast<std::int64_t>(golden.number("bank_capacity"))));
    for (int c = 0; c < classes; ++c) bank.push(c, golden.in("bank")[c]);
    adapt::ContrastOptions options;
    options.queries = static_cast<int>(golden.number("queries"));
    options.negatives = static_cast<int>(golden.number("negatives"));
    options.temperature = golden.number("temperature");
    const auto loss = adapt::contrast_loss(input, options, bank, in_turn);
    loss.backward();
    expect_close(loss.detach().view({1}), golden.out("loss"));
    expect_close(student.grad(), golden.out("grad_rep"));
    for (int c = 0; c < classes; ++c) {
      EXPECT_EQ(bank.size(c), golden.out("bank_size")[c].item<std::int64_t>()) << "class " << c;
      const auto all = bank.features(c, at::arange(bank.size(c), at::kLong));
      expect_close(all.sum(0), golden.out("bank_sum")[c]);
      EXPECT_EQ(all.size(1), width);
    }
  });
}

}  // namespace driftloop::test
