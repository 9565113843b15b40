// The terms of the loss beside plain loops, their gradients by finite differences, and that padding counts in
// none of them.
#include <gtest/gtest.h>
#include "adapt/torch.h"

#include <cmath>
#include <set>

#include "adapt/losses/consistency.h"
#include "adapt/losses/contrast.h"
#include "adapt/losses/loss.h"
#include "adapt/losses/ohem.h"
#include "tests/adapt/gradient_error.h"

namespace driftloop::adapt {
namespace {

using Vector = std::vector<double>;

double cosine(const Vector& a, const Vector& b) {
  double ab = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

Vector vector_of(const at::Tensor& t) {
  const auto d = t.detach().to(at::kDouble).contiguous();
  return {d.const_data_ptr<double>(), d.const_data_ptr<double>() + d.numel()};
}

at::Tensor in_turn(std::int64_t of, std::int64_t count, torch::Device) {
  return at::arange(count, at::kLong).remainder(of);
}

// ---- consistency ------------------------------------------------------------------------------------------

struct ConsistencyCase {
  at::Tensor student;
  PseudoBatch pseudo;
  ClassSampling sampling;
};

ConsistencyCase consistency_case() {
  torch::manual_seed(11);
  ConsistencyCase c{torch::randn({2, 5, 6, 7}, torch::kFloat64),
                    {torch::randint(0, 5, {2, 6, 7}, torch::kInt64), torch::rand({2, 6, 7}, torch::kFloat64)},
                    {torch::rand({5}, torch::kFloat64), torch::rand({2, 6, 7}, torch::kFloat64)}};
  c.pseudo.label_nhw.index_put_({0, 1}, 255);  // dropped
  c.pseudo.label_nhw.index_put_({1, 0}, 255);  // padding
  c.pseudo.confidence_nhw.index_put_({1, 0}, 0);
  return c;
}

double plain_consistency(const ConsistencyCase& c, double power) {
  const auto q = vector_of(c.sampling.confidence_c);
  double largest = 0, sum = 0, weights = 0;
  for (const double one : q) largest = std::max(largest, 1 - one);
  for (int n = 0; n < 2; ++n)
    for (int y = 0; y < 6; ++y)
      for (int x = 0; x < 7; ++x) {
        double denominator = 0;
        int predicted = 0;
        const auto z = vector_of(c.student[n].select(1, y).select(1, x));
        for (int k = 0; k < 5; ++k) {
          denominator += std::exp(z[static_cast<std::size_t>(k)]);
          if (z[static_cast<std::size_t>(k)] > z[static_cast<std::size_t>(predicted)]) predicted = k;
        }
        const double dropped = 1 - (1 - q[static_cast<std::size_t>(predicted)]) / largest;
        if (c.sampling.uniform_nhw[n][y][x].item<double>() < dropped) continue;
        const double weight = std::pow(c.pseudo.confidence_nhw[n][y][x].item<double>(), power);
        weights += weight;
        const auto label = c.pseudo.label_nhw[n][y][x].item<std::int64_t>();
        if (label != 255)
          sum -= weight * std::log(std::exp(z[static_cast<std::size_t>(label)]) / denominator);
      }
  return sum / weights;
}

TEST(TermTest, SampledConsistencyIsWhatPlainLoopsGive) {
  const auto c = consistency_case();
  const double plain = plain_consistency(c, 2);
  EXPECT_NEAR(consistency_loss(c.student, c.pseudo, 2, c.sampling).item<double>(), plain, 1e-12);
  EXPECT_GT(std::abs(consistency_loss(c.student, c.pseudo, 2).item<double>() - plain), 1e-3)
      << "nothing was left out: the case says nothing";
  EXPECT_LT(
      gradient_error(c.student, [&](const auto& x) { return consistency_loss(x, c.pseudo, 2, c.sampling); }),
      1e-6);
}

TEST(TermTest, ClassesThatAreAsSureAsCanBeAreNotDividedByNothing) {
  auto c = consistency_case();
  c.sampling.confidence_c = torch::ones({5}, torch::kFloat64);
  EXPECT_NEAR(consistency_loss(c.student, c.pseudo, 2, c.sampling).item<double>(),
              consistency_loss(c.student, c.pseudo, 2).item<double>(), 1e-12);
}

TEST(TermTest, PaddingCountsInNoPseudoLabelAndNoThreshold) {
  torch::manual_seed(12);
  const auto prob = torch::softmax(2 * torch::randn({2, 5, 8, 10}), 1);
  auto padding = torch::zeros({2, 8, 10}, torch::kBool);
  padding.slice(1, 0, 3).fill_(true);
  for (const auto rule : {PseudoLabelRule::paper, PseudoLabelRule::as_released}) {
    const auto labels = make_pseudo_labels(prob, 20, rule, padding);
    EXPECT_TRUE(labels.label_nhw.masked_select(padding).eq(255).all().item<bool>());
    EXPECT_TRUE(labels.predicted_nhw.masked_select(padding).eq(255).all().item<bool>());
    EXPECT_EQ(labels.confidence_nhw.masked_select(padding).max().item<float>(), 0);
    // As if the images ended where the padding begins.
    const auto inside = make_pseudo_labels(prob.slice(2, 3), 20, rule);
    EXPECT_TRUE(torch::equal(labels.label_nhw.slice(1, 3), inside.label_nhw));
    EXPECT_TRUE(torch::equal(labels.confidence_nhw.slice(1, 3), inside.confidence_nhw));
  }
  const auto nothing = make_pseudo_labels(prob, 20, PseudoLabelRule::paper, torch::ones_like(padding));
  EXPECT_TRUE(nothing.label_nhw.eq(255).all().item<bool>());
  EXPECT_EQ(consistency_loss(torch::randn({2, 5, 8, 10}), {nothing.label_nhw, nothing.confidence_nhw}, 2)
                .item<float>(),
            0);
}

// ---- class confidence -------------------------------------------------------------------------------------

TEST(TermTest, ClassProbabilitiesAreWhatPlainLoopsGive) {
  torch::manual_seed(13);
  const auto logits = torch::randn({2, 19, 5, 6}, torch::kFloat64);
  auto label = torch::randint(0, 4, {2, 5, 6}, torch::kInt64);
  label.index_put_({0, 2}, 255);
  const auto prob = torch::softmax(logits, 1);
  Vector sum(19, 0), count(19, 0);
  for (int n = 0; n < 2; ++n)
    for (int y = 0; y < 5; ++y)
      for (int x = 0; x < 6; ++x) {
        const auto c = label[n][y][x].item<std::int64_t>();
        if (c == 255) continue;
        sum[static_cast<std::size_t>(c)] += prob[n][c][y][x].item<double>();
        ++count[static_cast<std::size_t>(c)];
      }
  const auto sums = class_probability_sums(logits, label);
  for (std::size_t c = 0; c < 19; ++c) {
    EXPECT_NEAR(sums[0][static_cast<std::int64_t>(c)].item<double>(), sum[c], 1e-12);
    EXPECT_EQ(sums[1][static_cast<std::int64_t>(c)].item<double>(), count[c]);
  }
}

// ---- contrast ---------------------------------------------------------------------------------------------

constexpr int kClasses = 6, kWidth = 4;

ContrastInput contrast_case(std::uint64_t seed = 14) {
  torch::manual_seed(seed);
  ContrastInput in{torch::randn({3, kWidth, 5, 6}, torch::kFloat64),
                   torch::randn({3, kWidth, 5, 6}, torch::kFloat64),
                   torch::softmax(torch::randn({3, kClasses, 5, 6}, torch::kFloat64), 1),
                   torch::randint(0, kClasses, {3, 5, 6}, torch::kInt64),
                   torch::rand({3, 5, 6}) < 0.4,
                   torch::rand({3, 5, 6}) > 0.6,
                   1};
  in.label_nhw.masked_fill_(in.label_nhw == 5, 2);  // a class that nobody has
  in.label_nhw.index_put_({torch::indexing::Slice(), 0}, 255);
  return in;
}

ContrastOptions contrast_options() {
  ContrastOptions o;
  o.queries = 7;
  o.negatives = 5;
  return o;
}

/// The definition of docs/method.md, a pixel at a time; `bank` holds what was in it before, oldest first.
double plain_contrast(const ContrastInput& in, const ContrastOptions& o,
                      std::vector<std::vector<Vector>>& bank, std::size_t capacity) {
  std::vector<std::vector<Vector>> anchors(kClasses), reliable(kClasses);
  for (int c = 0; c < kClasses; ++c) {
    auto& of_class = bank[static_cast<std::size_t>(c)];
    for (int n = 0; n < 3; ++n)
      for (int y = 0; y < 5; ++y)
        for (int x = 0; x < 6; ++x) {
          const auto label = in.label_nhw[n][y][x].item<std::int64_t>();
          if (label == 255) continue;
          const bool labelled = n < in.labelled_images;
          const auto p = vector_of(in.prob_nchw[n].select(1, y).select(1, x));
          int likelier = 0;
          for (const double other : p) likelier += other > p[static_cast<std::size_t>(c)];
          const auto teacher = vector_of(in.teacher_ndhw[n].select(1, y).select(1, x));
          if (label == c && (labelled || in.low_nhw[n][y][x].item<bool>())) {
            reliable[static_cast<std::size_t>(c)].push_back(teacher);
            if (p[static_cast<std::size_t>(c)] > 0.3)
              anchors[static_cast<std::size_t>(c)].push_back(
                  vector_of(in.student_ndhw[n].select(1, y).select(1, x)));
          }
          if (labelled ? label != c && likelier < 3 : in.high_nhw[n][y][x].item<bool>() && likelier >= 3)
            of_class.push_back(teacher);
        }
    if (of_class.size() > capacity)
      of_class.erase(of_class.begin(), of_class.end() - static_cast<std::ptrdiff_t>(capacity));
  }
  double sum = 0;
  int present = 0;
  for (std::size_t c = 0; c < kClasses; ++c) {
    present += !reliable[c].empty();
    if (anchors[c].empty() || bank[c].empty()) continue;
    Vector centre(kWidth, 0);
    for (const auto& feature : reliable[c])
      for (std::size_t d = 0; d < kWidth; ++d)
        centre[d] += feature[d] / static_cast<double>(reliable[c].size());
    double of_class = 0;
    for (std::size_t k = 0; k < static_cast<std::size_t>(o.queries); ++k) {
      const auto& anchor = anchors[c][k % anchors[c].size()];
      const double like = std::exp(cosine(anchor, centre) / o.temperature);
      double unlike = 0;
      for (std::size_t m = 0; m < static_cast<std::size_t>(o.negatives); ++m)
        unlike += std::exp(
            cosine(anchor, bank[c][(k * static_cast<std::size_t>(o.negatives) + m) % bank[c].size()]) /
            o.temperature);
      of_class -= std::log(like / (like + unlike)) / o.queries;
    }
    sum += of_class;
  }
  return present < 2 ? 0 : sum / present;
}

TEST(TermTest, ContrastIsWhatPlainLoopsGiveOverStepsThatWrapTheBank) {
  constexpr std::size_t kCapacity = 23;
  ContrastBank bank(std::vector<std::int64_t>(kClasses, kCapacity));
  std::vector<std::vector<Vector>> plain_bank(kClasses);
  for (std::uint64_t step = 0; step < 6; ++step) {
    const auto in = contrast_case(20 + step);
    const double plain = plain_contrast(in, contrast_options(), plain_bank, kCapacity);
    EXPECT_NEAR(contrast_loss(in, contrast_options(), bank, in_turn).item<double>(), plain, 1e-10)
        << "step " << step;
    EXPECT_GT(plain, 0.1);
  }
  EXPECT_EQ(bank.size(0), static_cast<std::int64_t>(kCapacity)) << "the bank was never full";
}

TEST(TermTest, ContrastHasTheGradientOfFiniteDifferences) {
  const auto in = contrast_case();
  EXPECT_LT(gradient_error(in.student_ndhw,
                           [&](const auto& x) {
                             auto moved = in;
                             moved.student_ndhw = x;
                             ContrastBank bank(std::vector<std::int64_t>(kClasses, 40));
                             return contrast_loss(moved, contrast_options(), bank, in_turn);
                           }),
            1e-6);
}

TEST(TermTest, ContrastNeedsTwoClassesAndLeavesPaddingAlone) {
  auto in = contrast_case();
  in.student_ndhw.requires_grad_();
  ContrastBank bank(std::vector<std::int64_t>(kClasses, 40));
  contrast_loss(in, contrast_options(), bank, in_turn).backward();
  const auto touched = in.student_ndhw.grad().abs().sum(1);
  EXPECT_EQ(touched.masked_select(in.label_nhw == 255).max().item<double>(), 0);
  EXPECT_GT(touched.max().item<double>(), 0);

  in.label_nhw = torch::where(in.label_nhw == 255, in.label_nhw, torch::zeros_like(in.label_nhw));
  ContrastBank other(std::vector<std::int64_t>(kClasses, 40));
  const auto loss = contrast_loss(in, contrast_options(), other, in_turn);
  EXPECT_EQ(loss.item<double>(), 0) << "one class has nothing to be told apart from";
  loss.backward();  // and yet it has a gradient
}

TEST(ContrastBankTest, KeepsTheNewestInOrderAndGoesOnAfterAReload) {
  constexpr std::int64_t kCapacity = 7;
  ContrastBank bank({kCapacity, 3});
  std::vector<float> all;
  const auto push = [&](ContrastBank& to, int count) {
    std::vector<float> rows;
    for (int i = 0; i < count; ++i) rows.push_back(static_cast<float>(all.size()) + static_cast<float>(i));
    all.insert(all.end(), rows.begin(), rows.end());
    to.push(0, at::tensor(rows).view({-1, 1}));
  };
  const auto expect_newest = [&](const ContrastBank& of) {
    const auto n = std::min<std::int64_t>(kCapacity, static_cast<std::int64_t>(all.size()));
    ASSERT_EQ(of.size(0), n);
    const auto got = of.features(0, at::arange(n, at::kLong)).flatten();
    const auto want = at::tensor(all).slice(0, static_cast<std::int64_t>(all.size()) - n);
    EXPECT_TRUE(at::equal(got, want)) << got << want;
  };
  for (const int count : {2, 3, 1, 4, 7, 20, 5}) {
    push(bank, count);
    expect_newest(bank);
  }
  TensorFile file;
  bank.save("x.", file);
  EXPECT_LE(static_cast<std::int64_t>(file.tensors.at("x.rows").nbytes()), bank.stored_bytes());
  ContrastBank back({kCapacity, 3});
  back.load("x.", file, torch::kCPU);
  expect_newest(back);
  push(back, 3);
  expect_newest(back);
  EXPECT_EQ(back.size(1), 0);
  file.tensors["x.size"] = at::tensor(std::vector<std::int64_t>{kCapacity, 1});
  EXPECT_THROW(back.load("x.", file, torch::kCPU), Error);
}

// ---- weights over the schedule ----------------------------------------------------------------------------

TEST(TermTest, TheSourceFallsEvenlyAndContrastBeginsAtItsShare) {
  TrainOptions train;
  SelfTrainOptions selftrain;
  train.source_weight_end = 0.2;
  train.horizon_steps = 100;
  selftrain.contrast.weight = 0.1;
  const LossSettings settings{train, selftrain};
  std::set<std::string> names;
  for (const auto& term : make_terms(settings)) {
    names.insert(term.name);
    if (term.name == "source") {
      EXPECT_DOUBLE_EQ(term.weight(settings, 0), 1);
      EXPECT_DOUBLE_EQ(term.weight(settings, 0.5), 0.6);
      EXPECT_DOUBLE_EQ(term.weight(settings, 1), 0.2);
    }
    if (term.name != "contrast") continue;
    EXPECT_EQ(term.weight(settings, 0.099), 0);
    EXPECT_EQ(term.weight(settings, 0.1), 0.1);
    train.horizon_steps = 0;
    EXPECT_EQ(term.weight(settings, 0), 0.1) << "without a horizon there is no share to wait for";
    train.horizon_steps = 100;
  }
  EXPECT_EQ(names, (std::set<std::string>{"source", "target", "consistency", "contrast"}));
}

}  // namespace
}  // namespace driftloop::adapt
