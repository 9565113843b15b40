// Rounds of asking through the engine: interrupted ones, capped ones, small ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <opencv2/core.hpp>
#include <set>

#include "adapt/acquisition/cover.h"
#include "adapt/engine.h"
#include "adapt/model/segmentation_net.h"
#include "config/check.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {
namespace fs = std::filesystem;

constexpr int kSide = 16;

EngineOptions tiny() {
  EngineOptions o;
  o.threads = 1;
  o.device = "cpu";
  o.model = {"deeplabv3plus_r18", 0.0625, 16, 2, 0.1};
  o.acquisition.region_px = kSide;
  return o;
}

const BudgetOptions kBudget{.share = 0.2, .regions = 12, .pixels_per_frame = 3 * kSide * kSide};

ProposeRequest request_of(const Engine& engine, const std::string& strategy,
                          const BudgetOptions& budget = kBudget) {
  return {.strategy = config::Chosen(strategy), .budget = engine.budget(budget)};
}

std::vector<Region> ask(Engine& engine, const std::string& strategy, const BudgetOptions& budget = kBudget) {
  return engine.propose(request_of(engine, strategy, budget)).regions;
}

/// Frames come and go; how often each was read is counted.
class ShiftingPool : public FramePool {
 public:
  explicit ShiftingPool(int frames) {
    for (int i = 0; i < frames; ++i) add();
  }
  void add() {
    const std::string id = std::string("f").append(std::to_string(next_++));
    frames_.push_back({id, "g", {96, 64}});
    cv::Mat image(64, 96, CV_8UC3);
    cv::RNG random(static_cast<std::uint64_t>(next_));
    random.fill(image, cv::RNG::UNIFORM, 0, 256);
    images_[id] = image;
  }
  void evict(const std::string& id) {
    std::erase_if(frames_, [&](const PoolFrame& frame) { return frame.id == id; });
    images_.erase(id);
  }
  std::vector<PoolFrame> frames() const override { return frames_; }
  cv::Mat image_rgb(const std::string& id) const override {
    ++reads[id];
    const auto found = images_.find(id);
    return found == images_.end() ? cv::Mat() : found->second;
  }

  mutable std::map<std::string, int> reads;

 private:
  int next_ = 0;
  std::vector<PoolFrame> frames_;
  std::map<std::string, cv::Mat> images_;
};

void expect_same(const std::vector<Region>& a, const std::vector<Region>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].frame_id, b[i].frame_id) << i;
    EXPECT_EQ(a[i].box_px, b[i].box_px) << i;
    EXPECT_EQ(a[i].score, b[i].score) << i;
  }
}

class ProposeTest : public testing::Test {
 protected:
  ProposeRequest stopped_after(std::size_t frames, const Engine& engine, const std::string& strategy) {
    stop_ = std::stop_source();
    ProposeRequest request = kept(engine, strategy);
    request.stop = stop_.get_token();
    request.progress = [this, frames](const ProposeProgress& progress) {
      if (progress.frames == frames) stop_.request_stop();
    };
    return request;
  }
  /// With a scratch folder.
  ProposeRequest kept(const Engine& engine, const std::string& strategy) const {
    ProposeRequest request = request_of(engine, strategy);
    request.scratch = scratch();
    return request;
  }
  fs::path scratch() const { return folder_ / "scan"; }
  std::size_t scratch_files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(scratch()), fs::directory_iterator()));
  }

  test::TempFolder folder_;
  std::stop_source stop_;
};

TEST_F(ProposeTest, AnInterruptedRoundGoesOnInTheNextProcessAndAsksTheSame) {
  for (const char* strategy : {"cover", "entropy", "ripu", "random"}) {
    SCOPED_TRACE(strategy);
    ShiftingPool calm(6);
    Engine whole(tiny(), nullptr, calm, 5);
    const auto wanted = ask(whole, strategy);
    ASSERT_FALSE(wanted.empty());

    ShiftingPool pool(6);
    Engine(tiny(), nullptr, pool, 5).save(folder_ / strategy);
    ProposeReport report;
    report.stopped = true;
    for (std::size_t trip = 1; report.stopped; ++trip) {
      Engine engine(tiny(), nullptr, pool, 5);
      ASSERT_TRUE(engine.load(folder_ / strategy));
      report = engine.propose(stopped_after(trip, engine, strategy));
      EXPECT_EQ(report.stopped, engine.asked().empty()) << "stopped, it changes nothing";
      pool.add();  // a frame that comes between two trips waits for the next round
      ASSERT_LE(trip, 10U);
    }
    expect_same(report.regions, wanted);
    EXPECT_EQ(report.frames, 6U);
    EXPECT_EQ(report.resumed_frames, 6);
    for (const auto& [id, reads] : pool.reads) EXPECT_EQ(reads, 1) << id;
    EXPECT_EQ(scratch_files(), 0U);
  }
}

TEST_F(ProposeTest, AFrameThatLeftIsNotAskedFor) {
  for (const char* strategy : {"cover", "entropy", "random"}) {
    SCOPED_TRACE(strategy);
    ShiftingPool pool(6);
    Engine engine(tiny(), nullptr, pool, 5);
    ASSERT_TRUE(engine.propose(stopped_after(4, engine, strategy)).stopped);
    pool.evict("f1");  // was looked at
    pool.evict("f5");  // was not
    const auto report = engine.propose(kept(engine, strategy));
    EXPECT_FALSE(report.regions.empty());
    for (const auto& region : report.regions) {
      EXPECT_NE(region.frame_id, "f1");
      EXPECT_NE(region.frame_id, "f5");
    }
  }
}

TEST_F(ProposeTest, AnotherTeacherOrOtherOptionsBeginAnew) {
  ShiftingPool pool(5);
  const auto begin = [&] {
    Engine engine(tiny(), nullptr, pool, 5);
    ASSERT_TRUE(engine.propose(stopped_after(3, engine, "cover")).stopped);
    ASSERT_GT(scratch_files(), 1U);
  };
  begin();
  auto options = tiny();
  options.acquisition.region_px = 8;
  Engine other_tiles(options, nullptr, pool, 5);
  EXPECT_EQ(other_tiles.propose(kept(other_tiles, "cover")).resumed_frames, 0);
  begin();
  Engine other_net(tiny(), nullptr, pool, 6);
  EXPECT_EQ(other_net.propose(kept(other_net, "cover")).resumed_frames, 0);
  begin();
  Engine other_strategy(tiny(), nullptr, pool, 5);
  EXPECT_EQ(other_strategy.propose(kept(other_strategy, "entropy")).resumed_frames, 0);
  begin();
  Engine other_balance(tiny(), nullptr, pool, 5);
  ProposeRequest balanced = kept(other_balance, "cover");
  balanced.strategy = config::Chosen("cover", CoverOptions{.balance = 1});
  EXPECT_EQ(other_balance.propose(balanced).resumed_frames, 0);
  begin();
  Engine same(tiny(), nullptr, pool, 5);
  EXPECT_EQ(same.propose(kept(same, "cover")).resumed_frames, 3);
  EXPECT_EQ(same.propose(kept(same, "cover")).resumed_frames, 0) << "a new round";
}

TEST_F(ProposeTest, ALowerBudgetCountsForTheRoundThatIsUnderWay) {
  ShiftingPool pool(6);
  Engine engine(tiny(), nullptr, pool, 5);
  ASSERT_TRUE(engine.propose(stopped_after(4, engine, "cover")).stopped);
  ProposeRequest less = kept(engine, "cover");
  less.budget.regions = 4;
  EXPECT_EQ(engine.propose(less).regions.size(), 4U);
}

TEST_F(ProposeTest, AScratchThatCannotBeWrittenIsSaidAndCostsNoRegion) {
  ShiftingPool pool(5);
  Engine engine(tiny(), nullptr, pool, 5), other(tiny(), nullptr, pool, 5);
  fs::create_directories(scratch() / "plan.json");  // in the way of the file
  const auto report = engine.propose(kept(engine, "cover"));
  EXPECT_THAT(report.scratch_problem, testing::HasSubstr("plan.json"));
  expect_same(report.regions, ask(other, "cover"));
}

TEST_F(ProposeTest, ARoundLooksAtNoMoreFramesThanItMay) {
  ShiftingPool pool(30);
  auto options = tiny();
  options.acquisition.max_frames = 8;
  const BudgetOptions budget{.share = 0.03, .pixels_per_frame = 3 * kSide * kSide};
  auto engine = std::make_unique<Engine>(options, nullptr, pool, 5);
  EXPECT_EQ(engine->budget(budget).pixels, 1475) << "3 % of 8 frames of 96x64";
  std::set<std::string> looked;
  for (int round = 0; round < 5; ++round) {
    pool.reads.clear();
    std::vector<std::size_t> steps;
    ProposeRequest request = request_of(*engine, "entropy", budget);
    request.progress = [&](const ProposeProgress& progress) {
      EXPECT_EQ(progress.all, 8U);
      steps.push_back(progress.frames);
    };
    const auto report = engine->propose(request);
    EXPECT_EQ(report.frames, 8U);
    EXPECT_EQ(pool.reads.size(), 8U);
    EXPECT_FALSE(steps.empty());
    EXPECT_EQ(steps.back(), 8U);
    for (const auto& [id, reads] : pool.reads) looked.insert(id);
    engine->save(folder_ / "state");
    engine = std::make_unique<Engine>(options, nullptr, pool, 5);
    ASSERT_TRUE(engine->load(folder_ / "state"));  // what was looked at survives the process
  }
  EXPECT_GE(looked.size(), 25U) << "of 30: frames that nobody looked at come first";
}

TEST_F(ProposeTest, TwentyLargeRegionsComeFromManyFramesWithTheirShareForTheGuard) {
  for (const char* strategy : {"cover", "ripu", "margin"}) {
    SCOPED_TRACE(strategy);
    ShiftingPool pool(10);
    Engine engine(tiny(), nullptr, pool, 5);
    const auto regions = ask(engine, strategy, {.regions = 20, .pixels_per_frame = 2 * kSide * kSide});
    EXPECT_EQ(regions.size(), 20U);
    std::map<std::string, int> of_frame;
    for (const auto& region : regions) ++of_frame[region.frame_id];
    for (const auto& [id, count] : of_frame) EXPECT_LE(count, 2) << id << ": the guard's counts too";
    std::vector<RegionLabel> labels;
    for (const auto& region : regions) {
      RegionLabel label;
      label.frame_id = region.frame_id;
      label.box_px = region.box_px;
      label.label = cv::Mat(kSide, kSide, CV_8UC1, cv::Scalar(0));
      labels.push_back(label);
    }
    engine.merge(labels);
    EXPECT_EQ(engine.labels().guard_pixels, 3 * kSide * kSide);
  }
}

TEST_F(ProposeTest, RoundsOfOneRegionAskOneAndTheGuardsDoNotCountAsALook) {
  ShiftingPool pool(4);
  auto options = tiny();
  options.acquisition.max_frames = 2;
  Engine engine(options, nullptr, pool, 5);
  std::vector<std::size_t> looked;
  for (int round = 0; round < 3; ++round) {
    pool.reads.clear();
    EXPECT_EQ(ask(engine, "entropy", {.regions = 1}).size(), 1U) << round;
    looked.push_back(pool.reads.size());
  }
  EXPECT_EQ(looked, (std::vector<std::size_t>{2, 0, 2})) << "the second region is the guard's";
}

TEST_F(ProposeTest, ALimitOfRegionsHoldsForTheGuardsAndTheOthersTogether) {
  for (const std::int64_t limit : {0, 1, 2, 5})
    for (const double share : {0.0, 0.15, 0.5, 0.9}) {
      ShiftingPool pool(4);
      auto options = tiny();
      options.guard.share = share;
      Engine engine(options, nullptr, pool, 5);
      for (int round = 0; round < 5; ++round)
        EXPECT_EQ(ask(engine, "random", {.regions = limit}).size(), static_cast<std::size_t>(limit))
            << limit << ' ' << share << ' ' << round;
    }
}

TEST_F(ProposeTest, DescribesAFrameInTheLiveModelsFeatureSpace) {
  ShiftingPool pool(3);
  auto options = tiny();
  options.guard.enabled = false;
  Engine engine(options, nullptr, pool, 5), same(options, nullptr, pool, 5), other(options, nullptr, pool, 6);
  const auto f0 = engine.live().describe(pool.image_rgb("f0"));
  const auto f1 = engine.live().describe(pool.image_rgb("f1"));
  EXPECT_EQ(f0.size(), static_cast<std::size_t>(256 * 0.0625));
  double norm = 0, dot = 0;
  for (std::size_t i = 0; i < f0.size(); ++i) {
    norm += static_cast<double>(f0[i]) * f0[i];
    dot += static_cast<double>(f0[i]) * f1[i];
  }
  EXPECT_NEAR(norm, 1, 1e-5);
  EXPECT_LT(dot, 1 - 1e-7) << "another frame, another feature";
  EXPECT_EQ(engine.live().describe(pool.image_rgb("f0")), f0);
  EXPECT_EQ(same.live().feature_space(), engine.live().feature_space());
  EXPECT_EQ(engine.live().feature_space().size(), 16U);
  EXPECT_NE(other.live().feature_space(), engine.live().feature_space());

  const std::string before = engine.live().feature_space();
  std::vector<RegionLabel> labels;
  for (const auto& region : ask(engine, "cover")) {
    RegionLabel label;
    label.frame_id = region.frame_id;
    label.box_px = region.box_px;
    label.label = cv::Mat(kSide, kSide, CV_8UC1, cv::Scalar(2));
    labels.push_back(label);
  }
  engine.merge(labels);
  engine.train({2});
  EXPECT_EQ(engine.live().feature_space(), before) << "training moves the candidate alone";
  ASSERT_EQ(engine.judge().verdict, Verdict::promoted);
  const std::string promoted = engine.live().feature_space();
  EXPECT_NE(promoted, before);
  EXPECT_NE(engine.live().describe(pool.image_rgb("f0")), f0);
  engine.save(folder_ / "state");
  ASSERT_TRUE(same.load(folder_ / "state"));
  EXPECT_EQ(same.live().feature_space(), promoted);
  engine.live().save(folder_ / "w.safetensors");
  other.load_weights(folder_ / "w.safetensors");
  EXPECT_EQ(other.live().feature_space(), promoted);
}

}  // namespace
}  // namespace driftloop::adapt
