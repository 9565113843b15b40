#include "tests/golden/filled_net.h"
#include "tests/golden/golden_case.h"

namespace driftloop::test {

TEST(Golden, Network) {
  for_each_case("network", [](const GoldenCase& golden) {
    torch::NoGradGuard no_grad;
    adapt::ModelOptions options;
    options.name = "deeplabv3plus_r" + golden.text("encoder").substr(std::string("resnet").size());
    const auto net = adapt::make_net(options, 19);
    EXPECT_EQ(names_and_shapes(*net), sorted_lines(golden.text("keys")));
    fill(*net);
    const auto with_aux = net->run(golden.in("image"), adapt::Outputs::aux);
    const auto with_rep = net->run(golden.in("image"), adapt::Outputs::representation);
    expect_close(with_aux.logits_nchw, golden.out("pred"), 1e-3);
    expect_close(with_aux.aux_nchw, golden.out("aux"), 1e-3);
    expect_close(with_rep.representation_nchw.mean({2, 3}), golden.out("rep_mean"), 1e-3);
  });
}

}  // namespace driftloop::test
