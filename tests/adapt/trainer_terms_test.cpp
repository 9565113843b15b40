// A step with the terms and settings that are off by default: frozen parts, accumulated gradients, contrast,
// and everything at once, stopped and resumed.
#include <ATen/autocast_mode.h>
#include <gmock/gmock.h>
#include <torch/nn/utils/convert_parameters.h>
#include <algorithm>
#include <set>

#include "adapt/train/freeze.h"
#include "adapt/train/trainer.h"
#include "config/check.h"
#include "config/label_space.h"
#include "tests/adapt/drawn_batches.h"

namespace driftloop::adapt {
namespace {
using testing::HasSubstr;

ModelSpec small_net(double dropout = 0.1) {
  ModelSpec spec;
  spec.net = {"deeplabv3plus_r18", 0.0625, 16, 2, dropout};
  return spec;
}

Batch labelled_batch(int images) {
  torch::manual_seed(100);
  Batch batch;
  batch.source_image = torch::randint(0, 256, {images, 48, 64, 3}, torch::kByte);
  batch.source_label = torch::randint(0, 19, {images, 48, 64}, torch::kInt64);
  return batch;
}

TrainOptions plain_sgd() {
  TrainOptions o;
  o.rate = 0.01;
  o.ohem_threshold = 1;
  return o;
}

double difference(SegmentationNet& a, SegmentationNet& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.parameters().size(); ++i)
    worst = std::max(worst, (a.parameters()[i] - b.parameters()[i]).abs().max().item<double>());
  return worst;
}

/// For the nets that a car may run: 16 bits change the loss and the step by their rounding and no more. With
/// fixed statistics of batch norm: with its own a fresh net is chaotic (noise of that size on the image alone
/// turns the gradient as far).
TEST(PrecisionTest, BFloat16IsTheSameStepButForItsRounding) {
  for (const std::string name : {"deeplabv3plus_r18", "efficientnet_lite0"}) {
    ModelSpec spec = small_net(0);
    spec.net.name = name;
    spec.net.width = 0.25;
    auto options = plain_sgd();
    options.freeze = {"norm"};
    Trainer whole(spec, options, {}, torch::kCPU, 1);
    options.precision = "bfloat16";
    Trainer half(spec, options, {}, torch::kCPU, 1);
    const auto before = torch::nn::utils::parameters_to_vector(whole.student().parameters()).clone();
    config::Random random(1);
    const double exact = whole.step(labelled_batch(4), random).total;
    const double rounded = half.step(labelled_batch(4), random).total;
    EXPECT_GT(difference(whole.student(), half.student()), 0) << name << ": nothing was done in 16 bits";
    EXPECT_NEAR(rounded, exact, 0.02 * exact) << name;
    const auto moved = [&](Trainer& trainer) {
      return torch::nn::utils::parameters_to_vector(trainer.student().parameters()) - before;
    };
    EXPECT_GT(torch::cosine_similarity(moved(whole), moved(half), 0).item<double>(), 0.98) << name;
    for (const auto& parameter : half.student().parameters())
      EXPECT_EQ(parameter.scalar_type(), torch::kFloat) << name;
    EXPECT_EQ(half.teacher()->net().precision(), Precision::float32) << "what is judged and published";
    EXPECT_FALSE(at::autocast::is_autocast_enabled(at::kCPU));
  }
}

TEST(AccumulateTest, IsOneStepOfTheLargerBatchWhereTheStatisticsAreFrozen) {
  for (const bool frozen : {true, false}) {
    auto options = plain_sgd();
    if (frozen) options.freeze = {"norm"};
    Trainer once(small_net(0), options, {}, torch::kCPU, 1);
    options.accumulate = 2;
    Trainer twice(small_net(0), options, {}, torch::kCPU, 1);
    config::Random random(1);
    const auto a = once.step(labelled_batch(4), random), b = twice.step(labelled_batch(4), random);
    if (frozen) {
      EXPECT_NEAR(a.total, b.total, 1e-5);
      EXPECT_LT(difference(once.student(), twice.student()), 1e-6);
    } else {
      EXPECT_GT(difference(once.student(), twice.student()), 1e-5) << "the help says that it differs";
    }
    EXPECT_EQ(twice.steps(), 1);
  }
}

TEST(AccumulateTest, ALoneImageOfAPartTrains) {
  auto options = plain_sgd();
  options.accumulate = 3;
  Trainer trainer(small_net(), options, {}, torch::kCPU, 1);
  config::Random random(1);
  EXPECT_TRUE(trainer.step(labelled_batch(3), random).finite);
}

TEST(FreezeTest, WhatIsNamedStaysWithItsStatisticsAndTheRestLearns) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> parts = {
      {"backbone", {"encoder."}},
      {"stride4", {"encoder.conv1.", "encoder.bn1.", "encoder.layer1."}},
      {"encoder.layer1", {"encoder.layer1."}},
      {"decoder", {"decoder."}}};
  for (const auto& [part, prefixes] : parts) {
    auto options = plain_sgd();
    options.freeze = {part};
    Trainer trainer(small_net(), options, {}, torch::kCPU, 1);
    const auto is_named = [&prefixes](const std::string& name) {
      return std::any_of(prefixes.begin(), prefixes.end(),
                         [&](const std::string& prefix) { return name.starts_with(prefix); });
    };
    std::map<std::string, at::Tensor> before;
    for (const auto& item : trainer.student().named_parameters())
      before[item.key()] = item.value().detach().clone();
    for (const auto& item : trainer.student().named_buffers()) before[item.key()] = item.value().clone();
    config::Random random(1);
    trainer.step(labelled_batch(2), random);
    int stayed = 0, moved = 0;
    const auto check = [&](const auto& items) {
      for (const auto& item : items) {
        const bool same = torch::equal(before.at(item.key()), item.value());
        if (is_named(item.key())) {
          EXPECT_TRUE(same) << item.key();
          ++stayed;
        } else {
          moved += !same;
        }
      }
    };
    check(trainer.student().named_parameters());
    check(trainer.student().named_buffers());
    EXPECT_GT(stayed, 3) << part;
    EXPECT_GT(moved, 10) << part;
  }
}

TEST(FreezeTest, Stride4OfAnEdgeNetEndsBeforeItsStageOfStride8) {
  const auto net = make_net({.name = "efficientnet_lite0", .width = 0.25}, 19);
  freeze(*net, {"stride4"});
  std::set<std::string> frozen;
  for (const auto& item : net->named_parameters())
    if (!item.value().requires_grad())  // up to the dot behind "encoder._blocks.N"
      frozen.insert(item.key().substr(0, item.key().find('.', 17)));
  EXPECT_THAT(frozen, testing::UnorderedElementsAre("encoder._blocks.0", "encoder._blocks.1",
                                                    "encoder._blocks.2", "encoder._bn0.weight",
                                                    "encoder._bn0.bias", "encoder._conv_stem"));
}

TEST(FreezeTest, RefusesWhatDoesNotFit) {
  const auto text_of = [](std::vector<std::string> parts) {
    auto options = plain_sgd();
    options.freeze = std::move(parts);
    try {
      Trainer(small_net(), options, {}, torch::kCPU, 1);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("taken");
  };
  EXPECT_THAT(text_of({"encoder.layer"}), HasSubstr("no parameter 'encoder.layer'"));
  EXPECT_THAT(text_of({"encoder.layer"}), HasSubstr("decoder"));
  EXPECT_THAT(text_of({"encoder", "decoder", "auxor"}), HasSubstr("nothing is left to learn"));
  EXPECT_EQ(text_of({"norm"}), "taken");
}

TEST(ContrastTest, ANetWithoutItsHeadIsNamed) {
  SelfTrainOptions selftrain;
  selftrain.contrast.weight = 0.1;
  ModelSpec spec;
  spec.net = {"efficientnet_lite0", 0.25, 16, 2, 0};
  try {
    Trainer(spec, {}, selftrain, torch::kCPU, 1);
    FAIL() << "taken";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("selftrain.contrast.weight"));
    EXPECT_THAT(error.what(), HasSubstr("efficientnet_lite0"));
  }
}

TEST(ContrastTest, TheHeadRunsOnlyOnceTheTermHasBegun) {
  torch::set_num_threads(1);
  TrainOptions train;
  train.optimiser = "adamw";
  train.rate = 0.01;
  train.head_rate_factor = 1;
  train.weight_decay = 0;
  train.horizon_steps = 20;
  SelfTrainOptions selftrain;
  selftrain.contrast.weight = 0.1;
  selftrain.contrast.start = 0.9;
  selftrain.contrast.queries = selftrain.contrast.negatives = 8;
  Trainer trainer(small_net(), train, selftrain, torch::kCPU, 1);
  Batch batch = labelled_batch(2);  // dark and bright: something that the teacher can be sure of soon
  batch.source_label = (torch::arange(64) / 32).to(torch::kInt64).expand({2, 48, 64}).contiguous();
  batch.source_image =
      batch.source_label.mul(200).to(torch::kByte).unsqueeze(3).expand({-1, -1, -1, 3}).contiguous();
  const auto head = [&] {
    return trainer.student().named_parameters()["decoder.representation.0.weight"].detach().clone();
  };
  const auto before = head();
  config::Random random(1);
  for (int step = 0; step < 20; ++step) {
    torch::manual_seed(step);
    const auto losses = trainer.step(batch, random);
    ASSERT_EQ(trainer.terms().back().name, "contrast");
    EXPECT_EQ(losses.terms.back() > 0, step >= 18) << "step " << step;
    EXPECT_EQ(torch::equal(head(), before), step < 18) << "step " << step;
  }
}

/// Everything at once, drawn from real batches, stopped and resumed at every step.
class AllTermsTest : public BatchesTest {
 protected:
  static EngineOptions all_on() {
    EngineOptions o = options();
    o.train.accumulate = 2;
    o.train.batch_source = 2;
    o.train.copy_paste = 0.7;
    o.train.source_weight_end = 0.3;
    o.train.class_balance = 0.5;
    o.train.horizon_steps = 40;
    o.train.optimiser = "adamw";
    o.train.rate = 0.004;
    o.train.head_rate_factor = 1;
    o.train.freeze = {"encoder.layer1"};
    o.selftrain.labelled_weight = 1;
    o.selftrain.class_sampling = true;
    o.selftrain.adaptive_cutmix = true;
    o.selftrain.contrast.weight = 0.1;
    o.selftrain.contrast.queries = 16;
    o.selftrain.contrast.negatives = 8;
    o.selftrain.contrast.bank = 3000;
    return o;
  }
  static Trainer make(const EngineOptions& o) {
    ModelSpec spec = small_net();
    spec.label_space = o.label_space;
    return {spec, o.train, o.selftrain, torch::kCPU, 1};
  }
  /// Until the teacher is sure of some pixels and so contrast has anchors.
  std::unique_ptr<Trainer> taught(const EngineOptions& o) const {
    torch::set_num_threads(1);
    auto trainer = std::make_unique<Trainer>(make(o));
    for (int i = 0; i < 12; ++i) step(*trainer, o);
    return trainer;
  }
  /// As another process would have it: nothing is shared.
  static std::unique_ptr<Trainer> resumed(const Trainer& from, const EngineOptions& o,
                                          const std::string& left_out = {}) {
    TensorFile file;
    from.save(file);
    return resumed(std::move(file), o, left_out);
  }
  static std::unique_ptr<Trainer> resumed(TensorFile file, const EngineOptions& o,
                                          const std::string& left_out) {
    if (!left_out.empty()) {
      std::erase_if(file.tensors, [&](const auto& item) { return item.first.starts_with(left_out); });
      std::erase_if(file.metadata, [&](const auto& item) { return item.first.starts_with(left_out); });
    }
    for (auto& [name, tensor] : file.tensors) tensor = tensor.clone();
    auto trainer = std::make_unique<Trainer>(make(o));
    trainer->load(file, "memory");
    return trainer;
  }
  StepLosses step(Trainer& trainer, const EngineOptions& o) const {
    const auto number = static_cast<std::uint64_t>(trainer.steps());
    torch::manual_seed(number);
    config::Random mix(number), wish(number + 1000);
    const auto wishes = trainer.wishes(wish);
    return trainer.step(draw(o, trainer.steps(), wishes), mix);
  }
};

TEST_F(AllTermsTest, AResumedTrainerIsTheTrainer) {
  const EngineOptions o = all_on();
  const auto whole = taught(o);
  auto other = resumed(*whole, o);
  for (int i = 0; i < 4; ++i) {
    const auto a = step(*whole, o), b = step(*other, o);
    ASSERT_TRUE(a.finite);
    EXPECT_EQ(a.terms, b.terms) << "step " << i;
    for (std::size_t k = 0; k < a.terms.size(); ++k) {
      const auto& name = whole->terms()[k].name;
      EXPECT_TRUE(a.terms[k] > 0 || name == "target") << name << " did nothing in step " << i;
    }
    TensorFile file;
    other->save(file);
    std::int64_t bytes = 0;
    for (const auto& [name, tensor] : file.tensors) bytes += static_cast<std::int64_t>(tensor.nbytes());
    EXPECT_LE(bytes, other->state_bytes());
    other = resumed(*other, o);
  }
  EXPECT_EQ(difference(whole->student(), other->student()), 0);
  EXPECT_EQ(difference(whole->teacher()->net(), other->teacher()->net()), 0);
  config::Random one(3), two(3);
  const auto a = whole->wishes(one), b = other->wishes(two);
  ASSERT_EQ(a.size(), 4u);
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_FALSE(a[i].frame_id.empty()) << "the teacher has seen nothing";
    EXPECT_EQ(a[i].frame_id, b[i].frame_id);
  }
}

/// What is remembered beside the weights is really followed: without it the run is another one.
TEST_F(AllTermsTest, EachStateOfItsOwnIsNeeded) {
  const EngineOptions o = all_on();
  TensorFile file;
  taught(o)->save(file);
  // As after thousands of steps: by now all are near 0.
  file.tensors["selftrain.class_confidence"] = torch::linspace(0, 0.95, config::kClasses, torch::kDouble);
  const auto terms_without = [&](const std::string& left_out) {
    const auto trainer = resumed(file, o, left_out);
    return step(*trainer, o).terms;
  };
  const auto expected = terms_without("");
  EXPECT_EQ(terms_without(""), expected);
  for (const char* left_out :
       {"loss.contrast.", "loss.source.", "selftrain.class_confidence", "selftrain.class_bank"})
    EXPECT_NE(terms_without(left_out), expected) << left_out;
}

TEST_F(AllTermsTest, ANewStartForgetsFeaturesOfTheOldNets) {
  const EngineOptions o = all_on();
  const auto trainer = taught(o);
  const std::int64_t before = trainer->state_bytes();
  trainer->restart_from(trainer->teacher()->net(), EmaStart::warm);
  EXPECT_LT(trainer->state_bytes(), before - 1000);
}

}  // namespace
}  // namespace driftloop::adapt
