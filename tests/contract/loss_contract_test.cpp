// What holds for every term of the loss table, and so for one whose line was added today.
#include <gtest/gtest.h>
#include "adapt/torch.h"

#include "adapt/losses/loss.h"

namespace driftloop::adapt {
namespace {

constexpr std::int64_t kImages = 2, kHeight = 24, kWidth = 32, kSmallHeight = 6, kSmallWidth = 8,
                       kPaddingRows = 8;

struct Settings {
  TrainOptions train;
  SelfTrainOptions selftrain;
  Settings() {
    train.ohem_threshold = 1;
    train.class_balance = 0.5;
    selftrain.labelled_weight = 1;
    selftrain.contrast.weight = 0.1;
    selftrain.contrast.queries = selftrain.contrast.negatives = 8;
    selftrain.contrast.bank = 100;
  }
  operator LossSettings() const { return {train, selftrain}; }
};

/// Blobs, so that a map at a quarter of the size holds several classes; the upper rows are padding.
at::Tensor labels() {
  auto label =
      at::upsample_nearest2d(torch::randint(0, 5, {kImages, 1, 3, 4}).to(torch::kFloat32), {kHeight, kWidth})
          .squeeze(1)
          .to(torch::kInt64);
  label.slice(1, 0, kPaddingRows).fill_(255);
  return label;
}

PseudoBatch pseudo() {
  PseudoBatch batch{labels(), torch::rand({kImages, kHeight, kWidth})};
  batch.confidence_nhw.slice(1, 0, kPaddingRows).fill_(0);
  return batch;
}

NetOutput output(std::int64_t images) {
  NetOutput net;
  net.corners = Corners::not_aligned;
  net.logits_nchw = torch::randn({images, 19, kSmallHeight, kSmallWidth});
  net.aux_nchw = torch::randn({images, 19, kSmallHeight, kSmallWidth});
  net.representation_nchw = torch::randn({images, 16, kSmallHeight, kSmallWidth});
  return net;
}

/// A step with every part that there can be: two images each of the source, the target and unlabelled ones.
StepContext full_step(std::uint64_t seed) {
  torch::manual_seed(seed);
  StepContext context;
  context.output = output(3 * kImages);
  for (at::Tensor* map :
       {&context.output.logits_nchw, &context.output.aux_nchw, &context.output.representation_nchw})
    map->requires_grad_();
  context.source = {0, labels()};
  context.target = {kImages, labels()};
  context.unlabelled = {2 * kImages, pseudo()};
  const PseudoBatch first = pseudo(), second = pseudo();
  context.labelled = {
      0,
      {at::cat({first.label_nhw, second.label_nhw}), at::cat({first.confidence_nhw, second.confidence_nhw})}};
  context.teacher = output(3 * kImages);
  context.teacher.logits_nchw = 4 * context.teacher.logits_nchw;
  context.class_confidence = torch::rand({19}, torch::kFloat64);
  return context;
}

class LossContract : public testing::TestWithParam<std::string> {
 protected:
  static const LossEntry& entry() {
    for (const auto& one : loss_table())
      if (one.name == GetParam()) return one.make;
    throw std::logic_error("no such term");
  }
  Settings settings_;
  std::unique_ptr<Loss> loss_ = entry().make(settings_);
};

TEST_P(LossContract, IsExplainedAndHasAWeightThatCanBeMeant) {
  for (const auto& one : loss_table()) EXPECT_GT(one.help.size(), 20u) << one.name;
  for (const double progress : {0.0, 0.5, 1.0}) EXPECT_GT(entry().weight(settings_, progress), 0);
}

TEST_P(LossContract, TeachesTheStudentAFiniteLesson) {
  const StepContext step = full_step(1);
  const auto value = loss_->value(step);
  ASSERT_TRUE(value.defined());
  EXPECT_EQ(value.dim(), 0);
  EXPECT_GT(value.item<double>(), 0);
  value.backward();
  double largest = 0;
  for (const auto& map : {step.output.logits_nchw, step.output.aux_nchw, step.output.representation_nchw}) {
    if (!map.grad().defined()) continue;
    EXPECT_TRUE(torch::isfinite(map.grad()).all().item<bool>());
    largest = std::max(largest, map.grad().abs().max().item<double>());
  }
  EXPECT_GT(largest, 0);
  EXPECT_FALSE(step.teacher.logits_nchw.requires_grad());
}

TEST_P(LossContract, LearnsNothingFromPadding) {
  const StepContext step = full_step(2);
  loss_->value(step).backward();
  // A small pixel whose whole neighbourhood at full size is padding; the last of those rows is also seen from
  // without by the bilinear enlargement.
  constexpr std::int64_t kInside = kPaddingRows * kSmallHeight / kHeight - 1;
  for (const auto& map : {step.output.logits_nchw, step.output.aux_nchw, step.output.representation_nchw})
    EXPECT_TRUE(!map.grad().defined() || map.grad().slice(2, 0, kInside).abs().max().item<double>() == 0);
}

TEST_P(LossContract, NothingToLearnFromIsNoLesson) {
  StepContext absent = full_step(3);
  absent.source = absent.target = {};
  absent.unlabelled = absent.labelled = {};
  EXPECT_FALSE(loss_->value(absent).defined());

  StepContext ignored = full_step(3);
  for (at::Tensor* label : {&ignored.source.label_nhw, &ignored.target.label_nhw,
                            &ignored.unlabelled.pseudo.label_nhw, &ignored.labelled.pseudo.label_nhw})
    label->fill_(255);
  for (at::Tensor* confidence :
       {&ignored.unlabelled.pseudo.confidence_nhw, &ignored.labelled.pseudo.confidence_nhw})
    confidence->zero_();
  const auto value = loss_->value(ignored);
  ASSERT_TRUE(value.defined());
  EXPECT_EQ(value.item<double>(), 0);
  value.backward();  // of nothing: zero everywhere
}

TEST_P(LossContract, GoesOnFromItsStateAsIfItHadNotBeenStopped) {
  for (std::uint64_t step = 10; step < 13; ++step) loss_->value(full_step(step));
  TensorFile file;
  loss_->save(file);
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : file.tensors) {
    EXPECT_TRUE(name.starts_with("loss." + GetParam() + ".")) << name;
    bytes += static_cast<std::int64_t>(tensor.nbytes());
  }
  constexpr std::int64_t kUncounted = 1024;
  EXPECT_LE(bytes, loss_->stored_bytes() + kUncounted);
  const auto resumed = entry().make(settings_);
  resumed->load(file);
  EXPECT_EQ(resumed->value(full_step(13)).item<double>(), loss_->value(full_step(13)).item<double>());
  resumed->load({});  // a state of before the term
  EXPECT_EQ(resumed->value(full_step(14)).item<double>(),
            entry().make(settings_)->value(full_step(14)).item<double>());
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& one : loss_table()) all.emplace_back(one.name);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Table, LossContract, testing::ValuesIn(names()),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace driftloop::adapt
