// The losses by finite differences, CutMix, and one table-wide check of the nets.
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include "adapt/torch.h"

#include "adapt/losses/class_balance.h"
#include "adapt/losses/consistency.h"
#include "adapt/losses/ohem.h"
#include "adapt/model/norm.h"
#include "adapt/model/segmentation_net.h"
#include "adapt/selftrain/cutmix.h"
#include "adapt/train/trainer.h"
#include "config/check.h"
#include "tests/adapt/gradient_error.h"

namespace driftloop::adapt {
namespace {

TEST(LossTest, GradientsAgreeWithFiniteDifferences) {
  torch::manual_seed(1);
  const auto logits = torch::randn({2, 5, 6, 7}, torch::kFloat64);
  auto label = torch::randint(0, 5, {2, 6, 7}, torch::kInt64);
  label.index_put_({0, 0}, 255);
  EXPECT_LT(gradient_error(logits,
                           [&](const auto& x) {
                             return ohem_cross_entropy(x, label, {0.3, 20});
                           }),
            1e-6);
  const PseudoBatch pseudo{label, torch::rand({2, 6, 7}, torch::kFloat64)};
  EXPECT_LT(gradient_error(logits, [&](const auto& x) { return consistency_loss(x, pseudo, 2); }), 1e-6);
}

TEST(LossTest, ClassesCountByTheirShareAndTheMeanWeightIsOne) {
  torch::manual_seed(3);
  const auto logits = torch::randn({2, 19, 6, 8}, torch::kFloat64);
  auto label = torch::zeros({2, 6, 8}, torch::kInt64);
  label.index_put_({0, 0}, 255);
  label.index_put_({1, 0}, 4);  // 8 of 88
  ClassBalance balance("source", 0.5);
  const auto weight = balance.weights(label);
  EXPECT_NEAR((weight[4] / weight[0]).item<double>(), std::sqrt(80.0 / 8), 1e-4);
  const auto shares = torch::tensor({80.0 / 88, 8.0 / 88});
  EXPECT_NEAR((shares[0] * weight[0] + shares[1] * weight[4]).item<double>(), 1, 0.02);
  EXPECT_FALSE(ClassBalance("source", 0).weights(label).defined());
  TensorFile file;
  balance.save(file);
  ClassBalance back("source", 0.5);
  back.load(file);
  EXPECT_TRUE(torch::equal(back.weights(label), balance.weights(label)));

  // Brute force.
  const auto w = weight.to(torch::kFloat64);
  const auto prob = torch::softmax(logits, 1);
  double sum = 0;
  for (int n = 0; n < 2; ++n)
    for (int y = 0; y < 6; ++y)
      for (int x = 0; x < 8; ++x) {
        const auto c = label[n][y][x].item<std::int64_t>();
        if (c != 255) sum -= w[c].item<double>() * std::log(prob[n][c][y][x].item<double>());
      }
  EXPECT_NEAR(ohem_cross_entropy(logits, label, {1, 1}, w).item<double>(), sum / 88, 1e-9);
  EXPECT_LT(gradient_error(logits,
                           [&](const auto& x) {
                             return ohem_cross_entropy(x, label, {0.3, 20}, w);
                           }),
            1e-6);
}

TEST(LossTest, FewLabelledPixelsGiveWhatTheyGiveAmongMany) {
  torch::manual_seed(9);
  const auto logits = torch::randn({2, 5, 8, 9}, torch::kFloat64);
  auto sparse = torch::full({2, 8, 9}, 255, torch::kInt64);
  sparse.index_put_({1, 3, 4}, 2);
  sparse.index_put_({0, 7, 0}, 4);
  const auto log_prob = torch::log_softmax(logits, 1);
  const double expected = -(log_prob[1][2][3][4] + log_prob[0][4][7][0]).item<double>() / 2;
  EXPECT_NEAR(ohem_cross_entropy(logits, sparse, {1, 1}).item<double>(), expected, 1e-12);
  EXPECT_LT(gradient_error(logits,
                           [&](const auto& x) {
                             return ohem_cross_entropy(x, sparse, {1, 1});
                           }),
            1e-6);
}

TEST(LossTest, NothingLabelledIsZeroNotNan) {
  const auto logits = torch::randn({1, 5, 4, 4}).requires_grad_();
  const auto none = torch::full({1, 4, 4}, 255, torch::kInt64);
  const auto loss =
      ohem_cross_entropy(logits, none, {}) + consistency_loss(logits, {none, torch::ones({1, 4, 4})}, 2);
  EXPECT_EQ(loss.item<float>(), 0);
  loss.backward();
  EXPECT_EQ(logits.grad().abs().max().item<float>(), 0);
}

TEST(CutMixTest, OneMaskForImageLabelAndConfidence) {
  config::Random random(3);
  for (double share : {0.1, 0.5, 0.9}) {
    MixImages images{
        torch::stack({torch::zeros({40, 60, 3}, torch::kByte), torch::ones({40, 60, 3}, torch::kByte)}),
        {torch::stack({torch::zeros({40, 60}, torch::kInt64), torch::ones({40, 60}, torch::kInt64)}),
         torch::stack({torch::zeros({40, 60}), torch::ones({40, 60})})}};
    cutmix(images, share, random);
    const auto& [image, pseudo] = images;
    EXPECT_TRUE(torch::equal(image[0].select(2, 0), pseudo.label_nhw[0].to(torch::kByte)));
    EXPECT_TRUE(torch::equal(image[1].select(2, 2).to(torch::kFloat32), pseudo.confidence_nhw[1]));
    EXPECT_NEAR(image[0].to(torch::kFloat32).mean().item<double>(), share, 0.08);
  }
}

TEST(ModelTableTest, EveryNetTakesOddSizesAndRunsTheHeadsAskedFor) {
  torch::NoGradGuard no_grad;
  for (const auto& name : model_names()) {
    for (const int output_stride : {8, 16}) {
      const ModelOptions options{name, 0.0625, output_stride, 2, 0.1};
      const auto net = make_net(options, 19);
      net->eval();
      const auto image = torch::randn({1, 3, 37, 51});
      const auto output = net->run(image, Outputs::main);
      EXPECT_EQ(output.logits_nchw.sizes(), (std::vector<std::int64_t>{1, 19, 10, 13 + (name[0] == 'd')}))
          << name;
      EXPECT_FALSE(output.aux_nchw.defined() || output.representation_nchw.defined() ||
                   output.features_ndhw.defined() || output.backbone_ndhw.defined());
      const auto all =
          net->run(image, Outputs::aux | Outputs::features | Outputs::backbone | Outputs::representation);
      EXPECT_TRUE(all.features_ndhw.defined());
      EXPECT_EQ(all.backbone_ndhw.size(2), (37 + output_stride - 1) / output_stride) << name;
      EXPECT_TRUE(torch::allclose(all.logits_nchw, output.logits_nchw)) << name;
      EXPECT_LT(net->backbone_parameters().size(), net->parameters().size());
    }
  }
}

/// Of the same net in train and eval mode with the statistics of the batch: the tricks for speed change
/// nothing.
TEST(ModelTableTest, TheFastPathsOfTrainingGiveTheSameAsThePlainOnes) {
  torch::NoGradGuard no_grad;
  torch::manual_seed(2);
  for (const char* name : {"efficientnet_lite0", "efficientnet_lite2"}) {
    const auto net = make_net({name, 0.25, 16, 2, 0}, 5);
    const auto image = torch::randn({2, 3, 64, 96});
    for (auto& module : net->modules())
      if (auto* norm = module->as<NormImpl>()) norm->freeze(true);
    net->train();
    const auto fast = net->run(image, Outputs::main).logits_nchw;
    net->eval();
    const auto plain = net->run(image, Outputs::main).logits_nchw;
    EXPECT_TRUE(torch::allclose(fast, plain, 1e-3, 1e-4)) << (fast - plain).abs().max().item<float>();
  }
}

TEST(NormTest, IsBatchNormAndItsEstimateIsAPlainAverage) {
  torch::manual_seed(4);
  Norm ours(3, NormOptions{.epsilon = 1e-3, .momentum = 0.1});
  torch::nn::BatchNorm2d theirs(torch::nn::BatchNorm2dOptions(3).eps(1e-3).momentum(0.1));
  const auto x = torch::randn({4, 3, 5, 6}) * 2 + 1;
  EXPECT_TRUE(torch::allclose(ours(x), theirs(x)));
  EXPECT_TRUE(torch::allclose(ours->running_var, theirs->running_var));
  ours->eval();
  theirs->eval();
  EXPECT_TRUE(torch::allclose(ours(x), theirs(x)));
  ours->train();
  ours->begin_estimate();
  const auto y = torch::randn({4, 3, 5, 6}) - 3;
  ours(x);
  ours(y);
  ours->end_estimate();
  EXPECT_TRUE(torch::allclose(ours->running_mean, (x.mean({0, 2, 3}) + y.mean({0, 2, 3})) / 2, 1e-4, 1e-5));
  const auto before = ours->running_mean.clone();
  ours->freeze(true);
  ours(x);
  EXPECT_TRUE(torch::equal(ours->running_mean, before));
}

ModelSpec small_net() {
  return {{"deeplabv3plus_r18", 0.0625, 16, 2, 0.1}};
}

Batch some_batch() {
  Batch batch;
  batch.source_image = torch::randint(0, 256, {2, 48, 64, 3}, torch::kByte);
  batch.source_label = torch::randint(0, 19, {2, 48, 64}, torch::kInt64);
  return batch;
}

TEST(TrainerTest, TheTeacherFollowsTheStudentAsTheFormulaSays) {
  Trainer trainer(small_net(), {}, {}, torch::kCPU, 1);
  const Batch batch = some_batch();
  config::Random random(1);
  const auto first = [](SegmentationNet& net) { return net.parameters().front().detach().clone(); };
  trainer.step(batch, random);  // t = 0: decay 0
  EXPECT_TRUE(torch::allclose(first(trainer.teacher()->net()), first(trainer.student())));
  const auto before = first(trainer.teacher()->net());
  trainer.step(batch, random);  // t = 1: decay 1/2
  EXPECT_TRUE(torch::allclose(first(trainer.teacher()->net()), 0.5 * before + 0.5 * first(trainer.student()),
                              1e-5, 1e-7));
}

TEST(TrainerTest, AStepWithoutAnyTermIsNamed) {
  TrainOptions train;
  train.target_weight = 0;
  Trainer trainer(small_net(), train, {}, torch::kCPU, 1);
  Batch batch;
  batch.target_image = some_batch().source_image;
  batch.target_label = some_batch().source_label;
  config::Random random(1);
  EXPECT_THROW(trainer.step(batch, random), Error);
}

TEST(TrainerTest, ANonFiniteLossChangesNothing) {
  Trainer trainer(small_net(), {}, {}, torch::kCPU, 1);
  const Batch batch = some_batch();
  config::Random random(1);
  {
    torch::NoGradGuard no_grad;
    trainer.student().parameters().back().fill_(std::numeric_limits<float>::quiet_NaN());
  }
  const auto before = trainer.student().parameters().front().detach().clone();
  EXPECT_FALSE(trainer.step(batch, random).finite);
  EXPECT_TRUE(torch::equal(trainer.student().parameters().front().detach(), before));
  for (const auto& item : trainer.student().named_buffers())
    EXPECT_TRUE(torch::isfinite(item.value()).all().item<bool>()) << item.key();
}

}  // namespace
}  // namespace driftloop::adapt
