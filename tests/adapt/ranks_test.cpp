// Several ranks do together what one does alone: statistics of batch norm, a training step, a batch, a
// selection.
#include <gmock/gmock.h>

#include "adapt/model/norm.h"
#include "adapt/train/trainer.h"
#include "config/check.h"
#include "tests/adapt/drawn_batches.h"
#include "tests/adapt/synthetic_pool.h"
#include "tests/adapt/thread_ranks.h"

namespace driftloop::adapt {
namespace {
using test::ThreadRanks;

at::Tensor images_of(const at::Tensor& all, const Ranks& ranks, std::int64_t first_count) {
  return ranks.rank() == 0 ? all.narrow(0, 0, first_count)
                           : all.narrow(0, first_count, all.size(0) - first_count);
}

struct NormRun {
  at::Tensor y, dx, dweight, dbias, mean, variance;
};

NormRun run_norm(at::Tensor x, const at::Tensor& dy, Activation activation, const Ranks& ranks) {
  Norm norm(x.size(1), NormOptions{});
  norm->share(ranks);
  const torch::NoGradGuard no_grad;
  norm->weight.copy_(torch::linspace(0.5, 2, x.size(1)));
  norm->bias.copy_(torch::linspace(-1, 1, x.size(1)));
  const torch::AutoGradMode grad(true);
  x = x.detach().clone(at::MemoryFormat::Preserve).requires_grad_();
  const auto y = norm->run(x, activation);
  y.backward(dy);
  return {y.detach(),        x.grad(),           norm->weight.grad(),
          norm->bias.grad(), norm->running_mean, norm->running_var};
}

/// Both ways that a norm goes: kernels of our own for maps that are channels last, LibTorch for the others.
TEST(RanksTest, NormOverTwoRanksIsTheNormOfOneBatch) {
  for (const auto format : {at::MemoryFormat::ChannelsLast, at::MemoryFormat::Contiguous})
    for (const auto activation : {Activation::none, Activation::relu6}) {
      torch::manual_seed(3);
      // A mean far from 0: a variance from sums of squares alone would lose its digits.
      const auto x = (2 * torch::randn({5, 12, 7, 9}) + 40).contiguous(format);
      const auto dy = torch::randn({5, 12, 7, 9}).contiguous(format);
      const NormRun whole = run_norm(x, dy, activation, Ranks::alone());
      std::vector<NormRun> part(2);
      ThreadRanks(2).run([&](const Ranks& ranks) {
        part[static_cast<std::size_t>(ranks.rank())] =
            run_norm(images_of(x, ranks, 3), images_of(dy, ranks, 3), activation, ranks);
      });
      const auto near = [](const at::Tensor& a, const at::Tensor& b) {
        return (a - b).abs().max().item<double>() / (1 + b.abs().max().item<double>());
      };
      EXPECT_LT(near(at::cat({part[0].y, part[1].y}), whole.y), 1e-5);
      EXPECT_LT(near(at::cat({part[0].dx, part[1].dx}), whole.dx), 1e-5);
      EXPECT_LT(near(part[0].dweight + part[1].dweight, whole.dweight), 1e-5);
      EXPECT_LT(near(part[0].dbias + part[1].dbias, whole.dbias), 1e-5);
      for (const auto& run : part) {
        EXPECT_LT(near(run.mean, whole.mean), 1e-6);
        EXPECT_LT(near(run.variance, whole.variance), 1e-5);
      }
    }
}

ModelSpec edge_net() {
  ModelSpec spec;
  spec.net = {"efficientnet_lite0", 0.25, 16, 2, 0};
  return spec;
}

/// One after the other: fresh weights come from LibTorch's generator, which threads share and processes do
/// not.
std::unique_ptr<Trainer> make_trainer(const TrainOptions& options, const Ranks& ranks = Ranks::alone()) {
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  return std::make_unique<Trainer>(edge_net(), options, SelfTrainOptions{}, torch::kCPU, 1, ranks);
}

TrainOptions plain() {
  TrainOptions o;
  o.optimiser = "sgd";
  o.rate = 0.001;  // a fresh net under batch norm is chaotic: rounding grows with the steps
  o.ohem_threshold = 1;
  return o;
}

double difference(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::max(worst, (a[i].to(torch::kDouble) - b[i].to(torch::kDouble)).abs().max().item<double>());
  return worst;
}

TEST(RanksTest, AStepOfTwoRanksIsAStepOfTheDoubleBatch) {
  torch::manual_seed(7);
  Batch batch;
  batch.source_image = torch::randint(0, 256, {6, 48, 64, 3}, torch::kByte);
  batch.source_label = torch::randint(0, 19, {6, 48, 64}, torch::kInt64);
  const auto whole = make_trainer(plain());
  config::Random random(1);
  std::vector<double> losses;
  for (int step = 0; step < 3; ++step) losses.push_back(whole->step(batch, random).total);

  ThreadRanks(2).run([&](const Ranks& ranks) {
    const auto trainer = make_trainer(plain(), ranks);
    config::Random own_random(1);
    Batch own;
    own.source_image = images_of(batch.source_image, ranks, 3);
    own.source_label = images_of(batch.source_label, ranks, 3);
    for (const double loss : losses) EXPECT_NEAR(trainer->step(own, own_random).total, loss, 1e-4 * loss);
    EXPECT_LT(difference(trainer->student().parameters(), whole->student().parameters()), 1e-3);
    EXPECT_LT(difference(trainer->student().buffers(), whole->student().buffers()), 1e-3);
  });
}

/// Ranks whose images hold labels of other classes, and more or fewer of them: a mean of their means would be
/// another loss.
TEST(RanksTest, MeansAreOverThePixelsOfAllRanks) {
  torch::manual_seed(9);
  Batch batch;
  batch.source_image = torch::randint(0, 256, {6, 48, 64, 3}, torch::kByte);
  batch.source_label = torch::randint(0, 19, {6, 48, 64}, torch::kInt64);
  batch.source_label.slice(0, 0, 3).slice(1, 8, 48).fill_(255);  // little is labelled for the first rank
  batch.target_image = torch::randint(0, 256, {6, 48, 64, 3}, torch::kByte);
  batch.target_label = torch::full({6, 48, 64}, 255, torch::kInt64);
  batch.target_label.slice(0, 4, 5).slice(1, 8, 20).fill_(5);  // and nothing of the target
  auto options = plain();
  options.class_balance = 0.5;
  const auto whole = make_trainer(options);
  config::Random random(1);
  const auto expected = whole->step(batch, random);
  // What rounding alone does to so few labels under a fresh batch norm: the same images in another order.
  Batch turned;
  const auto last_first = at::arange(5, -1, -1);
  for (auto member : {&Batch::source_image, &Batch::source_label, &Batch::target_image, &Batch::target_label})
    turned.*member = (batch.*member).index_select(0, last_first);
  const auto other = make_trainer(options);
  other->step(turned, random);
  const double rounding = difference(other->student().parameters(), whole->student().parameters());
  ThreadRanks(2).run([&](const Ranks& ranks) {
    const auto trainer = make_trainer(options, ranks);
    config::Random own_random(1);
    Batch own;
    for (auto member :
         {&Batch::source_image, &Batch::source_label, &Batch::target_image, &Batch::target_label})
      own.*member = images_of(batch.*member, ranks, 3);
    const auto losses = trainer->step(own, own_random);
    for (std::size_t term = 0; term < expected.terms.size(); ++term)
      EXPECT_NEAR(losses.terms[term], expected.terms[term], 1e-5 * (1e-3 + expected.terms[term])) << term;
    const double apart = difference(trainer->student().parameters(), whole->student().parameters());
    std::printf("parameters %.2e apart, by rounding alone %.2e\n", apart, rounding);
    EXPECT_LT(apart, 5 * rounding);
  });
}

/// Of a rank whose images hold no label, or labels for other heads, the gradients are nothing, and the others
/// do not wait for it for ever.
TEST(RanksTest, ARankWithoutLabelsLearnsWhatTheOthersDo) {
  torch::manual_seed(7);
  const auto image = torch::randint(0, 256, {2, 48, 64, 3}, torch::kByte);
  std::vector<std::vector<at::Tensor>> after(2);
  std::vector<double> total(2);
  ThreadRanks(2).run([&](const Ranks& ranks) {
    const auto trainer = make_trainer(plain(), ranks);
    const auto before = trainer->student().parameters()[0].detach().clone();
    config::Random random(1);
    Batch own;
    own.target_image = image;
    own.target_label = torch::full({2, 48, 64}, ranks.rank() == 0 ? 3 : 255, torch::kInt64);
    const auto rank = static_cast<std::size_t>(ranks.rank());
    total[rank] = trainer->step(own, random).total;
    after[rank] = trainer->student().parameters();
    EXPECT_GT((trainer->student().parameters()[0] - before).abs().max().item<double>(), 0);
  });
  EXPECT_EQ(difference(after[0], after[1]), 0) << "the nets are one net";
  EXPECT_EQ(total[0], total[1]);
}

TEST(RanksTest, NothingToLearnFromIsSaidByAll) {
  torch::manual_seed(7);
  const auto image = torch::randint(0, 256, {2, 48, 64, 3}, torch::kByte);
  std::atomic<int> said = 0;
  ThreadRanks(2).run([&](const Ranks& ranks) {
    auto options = plain();
    options.target_weight = 0;
    const auto trainer = make_trainer(options, ranks);
    config::Random random(1);
    Batch own;
    own.target_image = image;
    own.target_label = torch::full({2, 48, 64}, 3, torch::kInt64);
    try {
      trainer->step(own, random);
    } catch (const Error&) {
      ++said;
    }
  });
  EXPECT_EQ(said, 2);
}

using RanksBatchesTest = BatchesTest;
TEST_F(RanksBatchesTest, TheRanksDrawTheDoubleBatchBetweenThem) {
  auto o = options();
  o.train.copy_paste = 0;
  o.train.batch_source = 2;
  o.selftrain.batch = 1;
  auto doubled = o;
  doubled.train.batch_source = 4;
  doubled.selftrain.batch = 2;
  const Batch whole = draw(doubled, 3);
  ThreadRanks(2).run([&](const Ranks& ranks) {
    Batches batches(o, source_.get(), *pool_, labels_, Unlabelled::drawn, 5, ranks);
    const Batch own = *batches.draw(3);
    EXPECT_TRUE(torch::equal(own.source_image, whole.source_image.narrow(0, 2 * ranks.rank(), 2)));
    EXPECT_TRUE(torch::equal(own.source_label, whole.source_label.narrow(0, 2 * ranks.rank(), 2)));
    EXPECT_TRUE(torch::equal(own.strong_image, whole.strong_image.narrow(0, ranks.rank(), 1)));
  });
}

/// The contract over all strategies.
TEST(RanksTest, EachRankLooksAtItsShareAndAllChooseTheSame) {
  for (const auto& entry : strategy_choices()) {
    const SelectRequest request{.region_px = 8, .budget = {.pixels = 48 * 64 * 2}, .seed = 4, .stop = {}};
    auto pool = test::random_pool(7, {{64, 48}, {48, 40}});
    const auto alone = make_strategy(config::Chosen(std::string(entry.name)))->select(pool, request).regions;
    ASSERT_FALSE(alone.empty()) << entry.name;
    std::vector<int> looks(3);
    ThreadRanks(3).run([&](const Ranks& ranks) {
      auto own = pool;
      for (auto& frame : own.frames) frame.predictions = 0;
      auto shared = request;
      shared.ranks = &ranks;
      const auto chosen = make_strategy(config::Chosen(std::string(entry.name)))->select(own, shared).regions;
      looks[static_cast<std::size_t>(ranks.rank())] = own.predictions();
      ASSERT_EQ(chosen.size(), alone.size()) << entry.name;
      for (std::size_t i = 0; i < alone.size(); ++i) {
        EXPECT_EQ(chosen[i].frame_id, alone[i].frame_id) << entry.name;
        EXPECT_EQ(chosen[i].box_px, alone[i].box_px) << entry.name;
        EXPECT_EQ(chosen[i].score, alone[i].score) << entry.name;
      }
    });
    EXPECT_EQ(looks[0] + looks[1] + looks[2], pool.predictions()) << entry.name;
    EXPECT_LE(looks[0], 3) << entry.name;
  }
}

TEST(RanksTest, OneThatIsToldToStopStopsAll) {
  ThreadRanks(2).run([&](const Ranks& ranks) {
    auto pool = test::random_pool(6, {{64, 48}});
    std::stop_source stop;
    SelectRequest request{.region_px = 8, .budget = {.pixels = 64 * 8}, .seed = 4, .stop = stop.get_token()};
    request.ranks = &ranks;
    request.progress = [&](std::size_t) {
      if (ranks.rank() == 1) stop.request_stop();
    };
    const auto selection = make_strategy(config::Chosen("entropy"))->select(pool, request);
    EXPECT_TRUE(selection.stopped);
    EXPECT_TRUE(selection.regions.empty());
  });
}

}  // namespace
}  // namespace driftloop::adapt
