// EfficientNet-Lite and its decoder against plain PyTorch (tests/golden/edge_network.py).
#include "adapt/files/pth.h"
#include "adapt/model/efficientnet_lite.h"
#include "tests/golden/filled_net.h"
#include "tests/golden/golden_case.h"

namespace driftloop::test {
namespace {

adapt::ModelOptions net_of(const GoldenCase& golden) {
  adapt::ModelOptions options;
  options.name = golden.text("net");
  options.output_stride = std::stoi(golden.text("output_stride"));
  return options;
}

/// The greatest error as a share of the greatest value.
double error_of(const at::Tensor& got, const at::Tensor& want) {
  EXPECT_EQ(got.sizes(), want.sizes());
  return ((got - want).abs().max() / want.abs().max()).item<double>();
}

}  // namespace

TEST(Golden, EdgeNetwork) {
  for_each_case("edge_network", [](const GoldenCase& golden) {
    const torch::NoGradGuard no_grad;
    if (golden.has("weights")) return;
    const auto net = adapt::make_net(net_of(golden), 19);
    // Counters of batches are no weights.
    std::string names;
    std::istringstream lines(names_and_shapes(*net));
    for (std::string line; std::getline(lines, line);)
      if (line.find("num_batches_tracked") == std::string::npos) names += line + '\n';
    EXPECT_EQ(names, sorted_lines(golden.text("keys")));
    fill(*net);
    const auto got = net->run(golden.in("image"), adapt::Outputs::main);
    EXPECT_LT(error_of(got.logits_nchw, golden.out("logits")), 1e-4);
  });
}

TEST(Golden, EdgeNetworkWithImageNetWeights) {
  for_each_case("edge_network", [](const GoldenCase& golden) {
    const torch::NoGradGuard no_grad;
    if (!golden.has("weights")) return;
    const std::filesystem::path weights = std::filesystem::path(DRIFTLOOP_WEIGHTS) / golden.text("weights");
    if (!std::filesystem::exists(weights))
      GTEST_SKIP() << "no " << weights << ": scripts/setup.sh fetches it";
    const auto file = adapt::read_pth(weights);
    adapt::EfficientNetLite encoder(adapt::EfficientNetShape{1, 1}, net_of(golden).output_stride);
    const auto take = [&](const auto& items) {
      for (const auto& item : items)
        if (item.value().is_floating_point()) item.value().copy_(file.at(item.key(), weights));
    };
    take(encoder->named_parameters());
    take(encoder->named_buffers());
    encoder->eval();
    const auto image = golden.in("image").contiguous(at::MemoryFormat::ChannelsLast);
    const auto last = encoder->forward(image).last;
    EXPECT_LT(error_of(last.mean({2, 3}), golden.out("last_mean")), 1e-4);
    EXPECT_LT(error_of(last.slice(2, 2, 4).slice(3, 3, 5), golden.out("last")), 1e-4);
  });
}

}  // namespace driftloop::test
