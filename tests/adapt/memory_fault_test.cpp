// Memory that runs out at any moment of learning: R16. The failures are made where they happen, in LibTorch's
// CPU allocator and in the pool of frames, not by a hook in the learner. What cannot be survived: LibTorch's
// destructors allocate a few bytes themselves and end the process when operator new refuses those. The kernel
// refuses large pieces (AProcessThatMayNotGrow...), small ones come from the heap.
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <new>
#include <numeric>
#include <opencv2/core.hpp>
#include <random>

#include "adapt/files/safetensors.h"
#include "adapt/out_of_memory.h"
#include "adapt/torch.h"
#include "config/check.h"
#include "tests/adapt/engine_world.h"

namespace driftloop::adapt {
namespace {

enum class Kind { as_cuda, as_cpu, as_host };

/// LibTorch's CPU allocator with faults.
class FaultyAllocator : public c10::Allocator {
 public:
  static FaultyAllocator& instance() {
    static FaultyAllocator allocator;
    return allocator;
  }
  c10::DataPtr allocate(std::size_t bytes) override {
    largest = std::max(largest, bytes);
    ++calls;
    if ((fail_at > 0 && calls >= fail_at && calls < fail_at + fail_many) || refuse_all ||
        (limit > 0 && bytes > limit)) {
      ++failures;
      switch (kind) {
        case Kind::as_cuda:
          TORCH_CHECK_WITH(OutOfMemoryError, false, "CUDA out of memory. Tried to allocate ", bytes,
                           " bytes.");
        case Kind::as_cpu:
          return base_->allocate(std::size_t{1} << 62);  // the real refusal
        case Kind::as_host:
          throw std::bad_alloc();
      }
    }
    return base_->allocate(bytes);
  }
  c10::DeleterFnPtr raw_deleter() const override { return base_->raw_deleter(); }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
  void reset() {
    calls = failures = fail_at = 0;
    largest = limit = 0;
    fail_many = 1;
    refuse_all = false;
    kind = Kind::as_cuda;
  }

  std::int64_t calls = 0, failures = 0;
  std::int64_t fail_at = 0;    // the call to refuse, from 1; 0 = none
  std::int64_t fail_many = 1;  // and so many in all, one after the other
  std::size_t largest = 0;     // asked for since reset()
  std::size_t limit = 0;       // refuse what is larger; 0 = none
  bool refuse_all = false;
  Kind kind = Kind::as_cuda;

 private:
  FaultyAllocator() : base_(c10::GetDefaultCPUAllocator()) { c10::SetCPUAllocator(this); }
  c10::Allocator* base_;
};

EngineOptions tiny(int images) {
  EngineOptions o = adapt::tiny();
  o.input.scale_min = 0.8;  // no padding, so that each step asks for as many pieces of memory
  o.train.rate = 0.003;
  o.train.batch_source = o.train.batch_target = o.selftrain.batch = images;
  return o;
}

class MemoryFaultTest : public EngineTest {
 protected:
  MemoryFaultTest() { memory.reset(); }
  ~MemoryFaultTest() override { memory.reset(); }

  Engine labelled(const EngineOptions& options) { return labelled(options, *pool_); }
  Engine labelled(const EngineOptions& options, FramePool& pool) {
    Engine engine(options, source_, pool, 5);
    engine.merge(answer(ask(engine)));
    return engine;
  }

  /// Every tensor of the state: weights, BN statistics, the optimiser's memory.
  void expect_finite(const Engine& engine) {
    const auto file = read_safetensors(saved(engine));
    for (const auto& [name, tensor] : file.tensors)
      ASSERT_TRUE(torch::isfinite(tensor).all().item<bool>()) << name;
  }

  std::string state_of(const Engine& engine) { return config::read_file(saved(engine)); }

  std::filesystem::path saved(const Engine& engine) {
    const auto folder = folder_ / ("state_" + std::to_string(++saves_));
    engine.save(folder);
    return folder / "state_a.safetensors";
  }

  FaultyAllocator& memory = FaultyAllocator::instance();
  int saves_ = 0;
};

/// R16. The calls that can fail are spread over the whole step, so forward, backward, the optimiser's part
/// and the teacher's move are all met.
TEST_F(MemoryFaultTest, AThousandFailuresAnywhereInAStepAreNoExit) {
  Engine engine = labelled(tiny(2));
  const double loss_before = engine.train({10}).loss("source");
  // From here on with half the batch, which asks less often. oneDNN may cope with a failure by itself.
  double share = 1;
  for (std::int64_t place = 100; share == 1 && place < 120; ++place) {
    memory.reset();
    memory.fail_at = place;
    share = engine.train({1}).batch_share;
  }
  ASSERT_EQ(share, 0.5);
  memory.reset();
  ASSERT_EQ(engine.train({1}).steps, 1);
  const std::int64_t calls = memory.calls;
  std::vector<std::int64_t> places(static_cast<std::size_t>(calls));
  std::iota(places.begin(), places.end(), 1);
  std::shuffle(places.begin(), places.end(), std::mt19937(1));
  for (std::int64_t last = 0; last < 8; ++last)  // the optimiser's part asks for little
    places[static_cast<std::size_t>(last)] = calls - last;
  int failures = 0, smaller = 0, counted = 0;
  for (int i = 0; i < 1000; ++i) {
    memory.reset();
    memory.kind = static_cast<Kind>(i % 3);
    memory.fail_at = places[static_cast<std::size_t>(i) % places.size()];
    const std::int64_t before = engine.step();
    TrainReport report;
    ASSERT_NO_THROW(report = engine.train({1})) << "at call " << memory.fail_at;
    ASSERT_LE(report.memory_failures, memory.failures);  // oneDNN copes with some by itself
    ASSERT_FALSE(report.out_of_memory);
    ASSERT_EQ(engine.step(), before + 1);
    failures += report.memory_failures;
    smaller += report.batch_share < 1;
    counted += report.steps == 0;
    memory.reset();  // a step without padding asks less often: its failure may still be to come
    if (i % 50 == 0) expect_finite(engine);
  }
  memory.reset();
  expect_finite(engine);
  std::printf(
      "%lld allocations a step; 1,000 steps, %d failures, %d steps with half the batch, %d broke off in the "
      "optimiser's part\n",
      static_cast<long long>(calls), failures, smaller, counted);
  EXPECT_GT(failures, 600);  // oneDNN copes with some by itself
  EXPECT_GT(counted, 0);
  EXPECT_LT(engine.train({10}).loss("source"), 0.9 * loss_before) << "it no longer learns";
}

/// With the state of their own that the terms keep, too.
TEST_F(MemoryFaultTest, AFailureAnywhereInAStepWithEveryTermIsNoExit) {
  EngineOptions options = tiny(2);
  options.train.accumulate = 2;
  options.train.copy_paste = 1;
  options.train.class_balance = 0.5;
  options.selftrain.labelled_weight = 1;
  options.selftrain.class_sampling = options.selftrain.adaptive_cutmix = true;
  options.selftrain.contrast.weight = 0.1;
  options.selftrain.contrast.queries = options.selftrain.contrast.negatives = 8;
  Engine engine = labelled(options);
  engine.train({3});
  memory.reset();
  engine.train({1});
  const std::int64_t calls = memory.calls;
  constexpr std::int64_t kFailures = 60;
  int failures = 0;
  for (std::int64_t i = 0; i < kFailures; ++i) {
    memory.reset();
    memory.kind = static_cast<Kind>(i % 3);
    memory.fail_at = calls * i / kFailures + 1;
    TrainReport report;
    ASSERT_NO_THROW(report = engine.train({1})) << "at call " << memory.fail_at;
    ASSERT_FALSE(report.out_of_memory);
    failures += report.memory_failures;
  }
  memory.reset();
  EXPECT_GT(failures, kFailures / 3);  // with half the batch the later ones are not met
  expect_finite(engine);
}

TEST_F(MemoryFaultTest, AStepRefusedBeforeItsUpdateIsDoneAgainAsIfNothingHadBeen) {
  Engine calm = labelled(tiny(1)), shaken = labelled(tiny(1));
  calm.train({7});
  shaken.train({1});  // the first also makes the optimiser's memory
  memory.reset();
  shaken.train({1});
  const std::int64_t calls = memory.calls;
  for (int i = 1; i < 6; ++i) {
    memory.reset();
    memory.fail_at = calls * i / 10;
    memory.fail_many = 2;  // where one convolution of LibTorch's finds no memory it tries another by itself
    const auto report = shaken.train({1});
    ASSERT_GE(report.memory_failures, 1) << "at call " << memory.fail_at << " of " << memory.calls;
    ASSERT_EQ(report.steps, 1);
  }
  memory.reset();
  EXPECT_TRUE(state_of(calm) == state_of(shaken));
}

/// A device too small for the configured batch: the batch shrinks to what fits and comes back when there is
/// room.
TEST_F(MemoryFaultTest, TheBatchFollowsTheMemory) {
  Engine engine = labelled(tiny(4));
  engine.train({1});
  std::size_t largest[2];
  for (const int images : {2, 4}) {
    Engine other = labelled(tiny(images));
    memory.reset();
    other.train({1});
    largest[images == 4] = memory.largest;
  }
  ASSERT_LT(largest[0], largest[1]);
  memory.reset();
  memory.limit = (largest[0] + largest[1]) / 2;
  auto report = engine.train({10});
  EXPECT_EQ(report.steps, 10);
  EXPECT_EQ(report.memory_failures, 1) << "halved once, then it fits";
  EXPECT_EQ(report.batch_share, 0.5);
  report = engine.train({200});
  EXPECT_EQ(report.steps, 200);
  EXPECT_EQ(report.memory_failures, 1) << "the whole batch is tried again once in 200 steps";
  memory.reset();
  report = engine.train({200});
  EXPECT_EQ(report.memory_failures, 0);
  EXPECT_EQ(report.batch_share, 1);
}

TEST_F(MemoryFaultTest, AMinuteWithoutAnyMemoryIsWaitedFor) {
  EngineOptions options = tiny(2);
  options.train.max_bad_steps = 5;
  Engine engine = labelled(options), calm = labelled(options);
  engine.train({3});
  calm.train({3});
  const auto image = pool_->image_rgb(pool_->frames().front().id);
  const auto asked = engine.labels().asked_regions;
  memory.reset();
  memory.refuse_all = true;
  memory.kind = Kind::as_host;
  for (int wait = 0; wait < 10; ++wait) {
    TrainReport report;
    ASSERT_NO_THROW(report = engine.train({50}));
    EXPECT_TRUE(report.out_of_memory);
    EXPECT_EQ(report.steps, 0);
    EXPECT_GE(report.memory_failures, options.train.max_bad_steps);
    EXPECT_THROW(ask(engine), OutOfMemory);
    EXPECT_THROW(engine.judge(), OutOfMemory);
    EXPECT_THROW(engine.live().view(image), OutOfMemory);
    EXPECT_THROW(engine.live().evaluate(*target_, {}, {}), OutOfMemory);
    EXPECT_THROW(engine.save(folder_ / "refused"), OutOfMemory);
    EXPECT_THROW(engine.save_memory(folder_ / "refused"), OutOfMemory);
    EXPECT_THROW(Engine(options, source_, *pool_, 5), OutOfMemory);
  }
  memory.reset();
  EXPECT_EQ(engine.labels().asked_regions, asked) << "a choice that failed left regions behind";
  expect_finite(engine);
  const auto report = engine.train({20});
  EXPECT_EQ(report.steps, 20);
  EXPECT_EQ(report.memory_failures, 0);
  const auto chosen = ask(engine);
  EXPECT_FALSE(chosen.empty());
  EXPECT_EQ(chosen.front().id, static_cast<std::uint64_t>(asked) + 1);
  EXPECT_NO_THROW(engine.judge());
}

/// Pictures that find no memory when they are decoded, in each way that OpenCV and the library have.
class FaultyPool : public FramePool {
 public:
  explicit FaultyPool(const FramePool& real) : real_(real) {}
  std::vector<PoolFrame> frames() const override { return real_.frames(); }
  cv::Mat image_rgb(const std::string& id) const override {
    if (fail_every > 0 && ++calls % fail_every == 0) {
      if (++failures % 2 == 0) throw std::bad_alloc();
      return cv::Mat(1 << 30, 1 << 30, CV_8UC3);
    }
    return real_.image_rgb(id);
  }
  int fail_every = 0;
  mutable std::atomic<int> calls = 0, failures = 0;

 private:
  const FramePool& real_;
};

TEST_F(MemoryFaultTest, APictureWithoutMemoryIsTriedAgain) {
  for (const int workers : {0, 2}) {
    FaultyPool pool(*pool_);
    EngineOptions options = tiny(2);
    options.input.workers = workers;
    Engine engine = labelled(options, pool);
    const auto image = pool_->image_rgb(pool_->frames().front().id);
    for (pool.fail_every = 2; pool.fail_every < 40; ++pool.fail_every) {
      const int before = pool.failures;
      TrainReport report;
      ASSERT_NO_THROW(report = engine.train({10}));
      const int failures = pool.failures - before;
      ASSERT_LE(report.memory_failures, failures);  // some may be of pictures made ahead and not needed
      ASSERT_TRUE(workers > 0 || report.memory_failures == failures) << report.memory_failures;
      ASSERT_EQ(report.steps, report.out_of_memory ? report.steps : 10);
    }
    pool.fail_every = 1;
    EXPECT_THROW(engine.judge(), OutOfMemory);
    EXPECT_THROW(ask(engine), OutOfMemory);
    pool.fail_every = 0;
    EXPECT_EQ(engine.train({5}).steps, 5);
    expect_finite(engine);
  }
}

/// The kernel's own refusal: a process that may not grow. In a child, because the limit stays. Of one image a
/// step, after a first step: oneDNN makes code for each shape it has not seen, and runs what it could not
/// make.
TEST_F(MemoryFaultTest, AProcessThatMayNotGrowGoesOn) {
  EngineOptions options = tiny(1);
  options.model.width = 0.25;
  options.input.crop_width_px = options.input.crop_height_px = 512;
  options.input.scale_min = options.input.scale_max = 8;
  options.train.max_bad_steps = 3;
  Engine engine = labelled(options);
  ASSERT_EQ(engine.train({1}).steps, 1);
  const pid_t child = ::fork();
  if (child == 0) {
    std::size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const auto now = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    int status = 10;
    try {
      const rlimit small{now + (std::size_t{24} << 20), RLIM_INFINITY};
      if (::setrlimit(RLIMIT_AS, &small) != 0) ::_exit(11);
      const auto refused = engine.train({2});
      const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
      if (::setrlimit(RLIMIT_AS, &all) != 0) ::_exit(12);
      const auto after = engine.train({1});
      std::printf("under the limit: %d failures, %d steps; after it %d steps\n", refused.memory_failures,
                  refused.steps, after.steps);
      std::fflush(stdout);
      status = refused.memory_failures > 0 && after.steps == 1 ? 0 : 13;
    } catch (const std::exception& error) {
      std::printf("escaped: %s\n", error.what());
      std::fflush(stdout);
    }
    ::_exit(status);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace driftloop::adapt
