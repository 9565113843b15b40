// region_score.cu without a GPU: compiled as C++ with the header in cuda_threads/, its threads run as loops.
// The maps must be the CPU twin's whatever the order of the threads, and nothing may be read that was not
// written.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>
#include <vector>

#include "adapt/acquisition/region_score.cu"
#include "adapt/acquisition/region_score.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {

constexpr std::size_t kSharedWords = 64 * 1024;
constexpr unsigned kSpoilt = 0xdeadbeef;
unsigned histograms[kSharedWords];  // the kernel's shared memory

using Order = std::function<std::vector<unsigned>(unsigned)>;

std::vector<unsigned> ascending(unsigned threads) {
  std::vector<unsigned> order(threads);
  std::iota(order.begin(), order.end(), 0U);
  return order;
}

Order shuffled(std::uint64_t seed) {
  return [rng = config::Random(seed)](unsigned threads) mutable {
    auto order = ascending(threads);
    rng.shuffle(order);
    return order;
  };
}

void use(Order order) {
  auto& m = cuda_threads::machine;
  m = {};
  m.order = std::move(order);
  m.before_block = [](std::size_t) { std::fill(std::begin(histograms), std::end(histograms), kSpoilt); };
  m.after_block = [](std::size_t bytes) {
    for (std::size_t i = bytes / sizeof(unsigned); i < kSharedWords; ++i)
      ASSERT_EQ(histograms[i], kSpoilt) << "shared memory beyond " << bytes << " bytes was written";
  };
}

struct Case {
  int classes, height, width, side;
  Border border;
};

void PrintTo(const Case& c, std::ostream* to) {
  *to << c.classes << "x" << c.height << "x" << c.width << " side " << c.side
      << (c.border == Border::inside ? " inside" : " clipped");
}

at::Tensor probabilities_of(const Case& c) {
  at::manual_seed(static_cast<std::uint64_t>(c.height + c.side));
  const auto coarse = 3 * at::randn({1, c.classes, c.height / 6 + 1, c.width / 6 + 1});
  return at::upsample_bilinear2d(coarse, {c.height, c.width}, true).softmax(1)[0].contiguous();
}

/// What region_score() does on a GPU, with memory that tells what was not written.
RegionScore run(const Case& c, const at::Tensor& prob) {
  const WindowGrid grid(c.height, c.width, c.side, c.border);
  const auto nothing = std::numeric_limits<float>::quiet_NaN();
  const auto maps = at::full({3, grid.out_height, grid.out_width}, nothing);
  const auto entropy = at::full({c.height, c.width}, nothing);
  const auto classes = at::full({c.height, c.width}, 255, at::kByte);
  const auto windows = grid.out_height * grid.out_width;
  auto* map = maps.data_ptr<float>();
  region_score_cuda({.prob_chw = prob.const_data_ptr<float>(),
                     .classes = c.classes,
                     .height = c.height,
                     .width = c.width,
                     .side = c.side,
                     .before = static_cast<int>(grid.before),
                     .out_height = static_cast<int>(grid.out_height),
                     .out_width = static_cast<int>(grid.out_width),
                     .class_hw = classes.data_ptr<std::uint8_t>(),
                     .entropy_hw = entropy.data_ptr<float>(),
                     .impurity = map,
                     .uncertainty = map + windows,
                     .score = map + 2 * windows},
                    nullptr);
  return {maps[0], maps[1], maps[2]};
}

class RegionScoreKernels : public testing::TestWithParam<Case> {};

TEST_P(RegionScoreKernels, GiveTheCpuTwinsMapsInAnyOrderOfThreads) {
  const auto& c = GetParam();
  const auto prob = probabilities_of(c);
  const auto cpu = region_score_cpu(prob, c.side, c.border);
  use(ascending);
  const auto first = run(c, prob);
  EXPECT_EQ(cuda_threads::machine.launches, 2);
  EXPECT_TRUE(first.impurity.allclose(cpu.impurity, 1e-4, 2e-6));
  EXPECT_TRUE(first.uncertainty.allclose(cpu.uncertainty, 1e-4, 2e-6));
  EXPECT_TRUE(first.score.allclose(cpu.score, 1e-4, 2e-6));
  const Order orders[] = {[](unsigned threads) {
                            auto order = ascending(threads);
                            std::reverse(order.begin(), order.end());
                            return order;
                          },
                          shuffled(1), shuffled(2)};
  for (const auto& order : orders) {
    use(order);
    const auto again = run(c, prob);
    EXPECT_TRUE(at::equal(again.impurity, first.impurity));
    EXPECT_TRUE(at::equal(again.uncertainty, first.uncertainty));
    EXPECT_TRUE(at::equal(again.score, first.score));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, RegionScoreKernels,
    testing::Values(Case{19, 70, 150, 1, Border::clipped}, Case{19, 70, 150, 3, Border::clipped},
                    Case{19, 70, 150, 8, Border::inside}, Case{5, 90, 131, 65, Border::clipped},
                    Case{5, 90, 131, 65, Border::inside}, Case{2, 20, 300, 33, Border::clipped},
                    Case{2, 33, 33, 33, Border::inside}, Case{120, 21, 140, 9, Border::clipped}));

TEST(RegionScoreKernels, SayWhatIsWrongWhenSharedMemoryDoesNotDo) {
  const Case c{19, 20, 30, 3, Border::clipped};
  use(ascending);
  cuda_threads::machine.most_shared_bytes = 4096;
  try {
    run(c, probabilities_of(c));
    FAIL() << "was launched";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("19 classes need more shared memory"), std::string::npos)
        << error.what();
  }
}

TEST(RegionScoreKernels, ARefusedLaunchIsAnError) {
  Case c{19, 20, 30, 3, Border::clipped};
  use(ascending);
  const auto prob = probabilities_of(c);
  c.height = 0;  // no block at all
  EXPECT_THROW(run(c, prob), Error);
}

}  // namespace
}  // namespace driftloop::adapt
