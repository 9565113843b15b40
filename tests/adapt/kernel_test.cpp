// The CPU kernels of the nets against LibTorch's own operations, values and gradients, for every kind of
// machine that this one can stand for.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <mutex>
#include <set>
#include <thread>

#include "adapt/losses/pixel_loss.h"
#include "adapt/model/cpu.h"
#include "adapt/model/depthwise.h"
#include "adapt/model/norm.h"

namespace driftloop::adapt {
namespace {

class Kernels : public testing::TestWithParam<Cpu> {
 protected:
  void SetUp() override {
    if (GetParam() > best_cpu()) GTEST_SKIP() << "skipped: this machine has no such instructions";
    limit_cpu(GetParam());
    torch::manual_seed(1);
  }
  void TearDown() override { limit_cpu(Cpu::avx512); }
};

/// Relative to the largest value.
double difference(const at::Tensor& ours, const at::Tensor& theirs) {
  EXPECT_EQ(ours.sizes(), theirs.sizes());
  return ((ours - theirs).abs().max() / theirs.abs().max().clamp_min(1e-6)).item<double>();
}

at::Tensor map_of(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return (torch::randn({2, channels, height, width}) * 2 + 1)
      .contiguous(at::MemoryFormat::ChannelsLast)
      .requires_grad_();
}

TEST_P(Kernels, ADepthwiseConvolutionIsLibTorchs) {
  for (const std::int64_t channels : {16, 40, 130})
    for (const std::int64_t kernel : {3, 5})
      for (const std::int64_t stride : {1, 2})
        for (const std::int64_t dilation : {1, 2})
          for (const auto& [height, width] : {std::pair{11, 15}, {12, 8}, {3, 2}, {1, 1}}) {
            const std::int64_t pad = dilation * (kernel / 2);
            const DepthwisePlace place{stride, dilation, pad, pad + 1, pad == 1 ? 0 : pad - 1, pad + 1};
            auto weight = torch::randn({channels, 1, kernel, kernel}).requires_grad_();
            const auto x = map_of(channels, height, width);
            const auto theirs = at::conv2d(
                at::constant_pad_nd(x, {place.pad_left, place.pad_right, place.pad_top, place.pad_bottom}),
                weight, {}, stride, at::IntArrayRef(0), dilation, channels);
            const auto ours = depthwise(x, weight, place);
            const auto push = torch::randn_like(theirs);
            const auto wanted = torch::autograd::grad({theirs}, {x, weight}, {push});
            const auto got = torch::autograd::grad({ours}, {x, weight}, {push});
            const auto shape = ::testing::Message()
                               << channels << " channels, kernel " << kernel << ", stride " << stride
                               << ", dilation " << dilation << ", " << height << "x" << width;
            EXPECT_LT(difference(ours, theirs), 1e-5) << shape;
            EXPECT_LT(difference(got[0], wanted[0]), 1e-5) << shape;
            EXPECT_LT(difference(got[1], wanted[1]), 1e-5) << shape;
            const torch::NoGradGuard no_grad;
            EXPECT_TRUE(depthwise(x, weight, place).equal(ours)) << shape;
          }
}

TEST_P(Kernels, ANormWithItsActivationIsLibTorchs) {
  for (const std::int64_t channels : {3, 16, 24, 96})
    for (const auto activation : {Activation::none, Activation::relu, Activation::relu6})
      for (const bool frozen : {false, true})
        for (const bool training : {true, false}) {
          Norm norm(channels, NormOptions{.epsilon = 1e-3, .momentum = 0.3});
          {
            const torch::NoGradGuard no_grad;
            norm->weight.uniform_(-1, 2);
            norm->bias.uniform_(-1, 3);
            norm->running_mean.normal_();
            norm->running_var.uniform_(0.5, 2);
          }
          norm->train(training);
          norm->freeze(frozen);
          const auto x = map_of(channels, 37, 41);
          auto mean = norm->running_mean.clone(), variance = norm->running_var.clone();
          auto theirs = at::batch_norm(x, norm->weight, norm->bias, mean, variance, training && !frozen, 0.3,
                                       1e-3, false);
          if (activation == Activation::relu) theirs = at::relu(theirs);
          if (activation == Activation::relu6) theirs = at::relu6(theirs);
          const auto ours = norm->run(x, activation);
          const auto push = torch::randn_like(theirs);
          const auto wanted = torch::autograd::grad({theirs}, {x, norm->weight, norm->bias}, {push});
          const auto got = torch::autograd::grad({ours}, {x, norm->weight, norm->bias}, {push});
          EXPECT_LT(difference(ours, theirs), 1e-5);
          for (std::size_t i = 0; i < wanted.size(); ++i)
            EXPECT_LT(difference(got[i], wanted[i]), 2e-5) << "gradient " << i;
          EXPECT_LT(difference(norm->running_mean, mean), 1e-5);
          EXPECT_LT(difference(norm->running_var, variance), 1e-5);
        }
}

TEST_P(Kernels, AMeanFarFromZeroKeepsItsDigits) {
  Norm norm(16, NormOptions{.epsilon = 1e-5, .momentum = 1});
  const auto x = (torch::randn({4, 16, 50, 50}) * 0.1 + 300).contiguous(at::MemoryFormat::ChannelsLast);
  const auto y = norm->run(x, Activation::none);
  const auto exact = x.to(at::kDouble).transpose(0, 1).flatten(1);
  EXPECT_LT(difference(norm->running_var, exact.var(1).to(at::kFloat)), 1e-4);
  EXPECT_NEAR(y.std().item<double>(), 1, 1e-2);
}

TEST_P(Kernels, WhatIsNotANumberStaysSo) {
  Norm norm(16, NormOptions{});
  norm->eval();
  auto x = torch::zeros({1, 16, 2, 2});
  x[0][3][0][1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(norm->run(x, Activation::relu6).isnan().sum().item<int>(), 1);
}

TEST_P(Kernels, LossesOfPixelsAreLibTorchs) {
  for (const std::int64_t classes : {2, 11, 19, 40})
    for (const auto corners : {Corners::aligned, Corners::not_aligned})
      for (const auto& [height, width] : {std::pair{44, 60}, {45, 61}, {33, 16}, {11, 15}, {7, 90}}) {
        const auto logits = (torch::randn({2, classes, 11, 15}) * 8)
                                .contiguous(at::MemoryFormat::ChannelsLast)
                                .requires_grad_();
        auto label = torch::randint(0, classes, {2, height, width}, torch::kInt64);
        label.masked_fill_(torch::rand({2, height, width}) < 0.7, 255);
        label[1].slice(0, 0, 5).fill_(255);  // rows without labels
        const auto log_prob = torch::log_softmax(upsample(logits, height, width, corners), 1);
        const auto none = label == 255;
        const auto theirs =
            -log_prob.gather(1, label.masked_fill(none, 0).unsqueeze(1)).squeeze(1).masked_fill(none, 0);
        const auto ours = pixel_losses(logits, label, corners);
        const auto push = torch::randn_like(theirs);
        const auto wanted = torch::autograd::grad({theirs}, {logits}, {push})[0];
        const auto got = torch::autograd::grad({ours}, {logits}, {push})[0];
        EXPECT_LT(difference(ours, theirs), 1e-5) << classes << " classes, " << height << "x" << width;
        EXPECT_LT(difference(got, wanted), 1e-5) << classes << " classes, " << height << "x" << width;
      }
}

TEST_P(Kernels, ALogitThatIsNotANumberMakesALossThatIsNone) {
  auto logits = torch::zeros({1, 3, 2, 2});
  logits[0][1][0][0] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(pixel_losses(logits, torch::zeros({1, 8, 8}, torch::kInt64), Corners::not_aligned)
                  .isnan()
                  .any()
                  .item<bool>());
  logits[0][1][0][0] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(pixel_losses(logits, torch::zeros({1, 8, 8}, torch::kInt64), Corners::not_aligned)
                   .isfinite()
                   .all()
                   .item<bool>());
}

TEST_P(Kernels, ThreadsDoNotChangeAResult) {
  const auto x = map_of(200, 64, 64);
  auto weight = torch::randn({200, 1, 3, 3}).requires_grad_();
  Norm norm(200, NormOptions{});
  const auto run = [&](int threads) {
    torch::set_num_threads(threads);
    const auto y = norm->run(depthwise(x, weight, {1, 1, 1, 1, 1, 1}), Activation::relu6);
    auto gradients = torch::autograd::grad({y.square().sum()}, {x, weight, norm->weight});
    gradients.push_back(y);
    return gradients;
  };
  const int before = torch::get_num_threads();
  const auto one = run(1), three = run(3);
  torch::set_num_threads(before);
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(one[i].equal(three[i])) << i;
}

INSTANTIATE_TEST_SUITE_P(
    Machines, Kernels, testing::Values(Cpu::any, Cpu::avx2, Cpu::avx512), [](const auto& of) {
      return std::string(of.param == Cpu::any ? "any" : of.param == Cpu::avx2 ? "avx2" : "avx512");
    });

/// LibTorch's loop over threads is a plain one in what is compiled without OpenMP (clang builds).
TEST(Threads, OurLoopsRunOnAllOfThem) {
#ifndef _OPENMP
  GTEST_SKIP() << "skipped: built without OpenMP";
#endif
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  std::set<std::thread::id> seen;
  std::mutex mutex;
  at::parallel_for(0, 2, 1, [&](std::int64_t, std::int64_t) {
    const std::lock_guard lock(mutex);
    seen.insert(std::this_thread::get_id());
  });
  at::set_num_threads(before);
  EXPECT_EQ(seen.size(), 2u);
}

}  // namespace
}  // namespace driftloop::adapt
