#include "adapt/train/optimiser.h"

#include <gtest/gtest.h>

#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {

TrainOptions adamw() {
  TrainOptions options;
  options.optimiser = "adamw";
  options.rate = 0.01;
  options.head_rate_factor = 1;
  options.weight_decay = 0;
  return options;
}

/// Gradients of ones for the backbone, and for the rest if `heads`.
void step(SegmentationNet& net, Optimiser& optimiser, bool heads) {
  optimiser.drop_gradients();
  const auto backbone = net.backbone_parameters();
  for (auto& parameter : net.parameters()) {
    const bool in_backbone = std::any_of(backbone.begin(), backbone.end(),
                                         [&](const auto& one) { return one.is_same(parameter); });
    if (in_backbone || heads) parameter.mutable_grad() = torch::ones_like(parameter);
  }
  optimiser.step(1, 1);
}

/// AdamW's first step is as long as the rate. With another parameter's count its moments would be taken for
/// old ones, and the step would be shorter.
TEST(OptimiserTest, WhatBeginsLateBeginsWithItsOwnFirstStep) {
  const test::TempFolder folder;
  const auto net = make_net({"efficientnet_lite0", 0.25, 16, 3, 0.1}, 5);
  Optimiser first(*net, adamw());
  for (int i = 0; i < 20; ++i) step(*net, first, false);
  TensorFile file;
  first.save(file);
  Optimiser resumed(*net, adamw());
  resumed.load(file, folder / "state");
  for (Optimiser* optimiser : {&first, &resumed}) {
    const auto head = net->parameters().back().detach().clone();
    step(*net, *optimiser, true);
    const auto moved = (head - net->parameters().back().detach()).abs();
    EXPECT_NEAR(moved.min().item<double>(), 0.01, 1e-5);
    EXPECT_NEAR(moved.max().item<double>(), 0.01, 1e-5);
  }
}

}  // namespace
}  // namespace driftloop::adapt
