// What every acquisition strategy keeps to, checked on each line of the table.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <opencv2/core.hpp>
#include <set>

#include "adapt/acquisition/ripu.h"
#include "adapt/acquisition/strategy.h"
#include "config/check.h"
#include "tests/adapt/synthetic_pool.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {

using test::random_pool;
using test::SyntheticPool;

constexpr std::int64_t kPlenty = 1'000'000'000;
const std::vector<cv::Size> kOneSize{{52, 40}};
const std::vector<cv::Size> kMixedSizes{{52, 40}, {33, 41}, {8, 64}, {7, 7}};

std::int64_t area(const Region& region) {
  return static_cast<std::int64_t>(region.box_px.width) * region.box_px.height;
}

class StrategyContract : public testing::TestWithParam<std::string> {
 protected:
  /// With its defaults, but for a window of which several fit into the small frames here.
  static config::Chosen strategy() {
    const RipuPixelOptions small{.radius_px = 4};
    return GetParam() == "ripu_pixel" ? config::Chosen(GetParam(), small) : config::Chosen(GetParam());
  }
  SelectRequest request(std::int64_t pixels) const {
    SelectRequest r;
    r.budget.pixels = pixels;
    r.seed = 7;
    return r;
  }
  Selection select(SyntheticPool& pool, const SelectRequest& r) const {
    return make_strategy(strategy())->select(pool, r);
  }

  /// Pixels of one region of this strategy in a pool of one size.
  std::int64_t unit() const {
    auto pool = random_pool(1, kOneSize);
    const auto all = select(pool, request(kPlenty)).regions;
    EXPECT_FALSE(all.empty());
    return all.empty() ? 1 : area(all.front());
  }
};

/// Checked here again and not left to select(): the check itself must not be what is broken.
void expect_proper(const SyntheticPool& pool, const std::vector<Region>& regions) {
  std::map<std::string, cv::Mat> taken;
  for (const auto& frame : pool.frames)
    taken[frame.id] = frame.asked.empty() ? cv::Mat::zeros(frame.size, CV_8UC1) : frame.asked.clone();
  double last = std::numeric_limits<double>::infinity();
  for (const auto& region : regions) {
    ASSERT_TRUE(taken.count(region.frame_id)) << region.frame_id;
    auto& mask = taken[region.frame_id];
    ASSERT_EQ(region.box_px & cv::Rect({0, 0}, mask.size()), region.box_px) << region.box_px;
    EXPECT_EQ(cv::countNonZero(mask(region.box_px)), 0) << region.frame_id << ' ' << region.box_px;
    mask(region.box_px).setTo(1);
    EXPECT_LE(region.score, last) << "most wanted first";
    last = region.score;
  }
}

void expect_same(const std::vector<Region>& a, const std::vector<Region>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].frame_id, b[i].frame_id) << i;
    EXPECT_EQ(a[i].box_px, b[i].box_px) << i;
  }
}

TEST_P(StrategyContract, UsesTheWholeBudgetAndNoMore) {
  const auto one = unit();
  auto pool = random_pool(5, kOneSize);
  const auto selection = select(pool, request(3 * one + one - 1));
  EXPECT_EQ(selection.regions.size(), 3U);
  expect_proper(pool, selection.regions);
}

TEST_P(StrategyContract, RunsTheTeacherAtMostOncePerFrame) {
  auto pool = random_pool(5, kMixedSizes);
  select(pool, request(kPlenty));
  for (const auto& frame : pool.frames) EXPECT_LE(frame.predictions, 1) << frame.id;
}

TEST_P(StrategyContract, ABudgetLargerThanThePoolTakesWhatThereIs) {
  auto pool = random_pool(6, kMixedSizes);
  const auto regions = select(pool, request(kPlenty)).regions;
  EXPECT_FALSE(regions.empty());
  expect_proper(pool, regions);
}

TEST_P(StrategyContract, RespectsTheNumberOfRegions) {
  auto pool = random_pool(5, kOneSize);
  auto r = request(kPlenty);
  r.budget.regions = 2;
  EXPECT_EQ(select(pool, r).regions.size(), 2U);
}

TEST_P(StrategyContract, ALimitOfOneAsksForOneAndOfNoneForNothing) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto pool = random_pool(static_cast<int>(1 + seed % 5), seed % 2 == 0 ? kOneSize : kMixedSizes);
    SelectRequest r;
    r.seed = seed;
    r.budget = {.regions = 1};
    EXPECT_EQ(select(pool, r).regions.size(), 1U) << seed;
    r.budget = {.regions = 0};
    EXPECT_EQ(select(pool, r).regions.size(), 0U) << seed;
  }
}

TEST_P(StrategyContract, WithoutALimitItTakesThePoolWhole) {
  auto pool = random_pool(4, kOneSize);
  SelectRequest r = request(kPlenty);
  const auto plenty = select(pool, r).regions;
  r.budget = {};
  expect_same(select(pool, r).regions, plenty);
}

TEST_P(StrategyContract, RespectsTheLimitPerFrame) {
  const auto one = unit();
  auto pool = random_pool(4, kOneSize);
  auto r = request(kPlenty);
  r.budget.pixels_per_frame = one;
  const auto regions = select(pool, r).regions;
  std::map<std::string, std::int64_t> pixels;
  for (const auto& region : regions) pixels[region.frame_id] += area(region);
  for (const auto& [frame, asked] : pixels) EXPECT_LE(asked, one) << frame;
  EXPECT_EQ(regions.size(), 4U) << "one of every frame";
}

TEST_P(StrategyContract, NeverAsksAgain) {
  auto pool = random_pool(4, kOneSize);
  for (auto& frame : pool.frames) frame.asked = cv::Mat::zeros(frame.size, CV_8UC1);
  std::int64_t rounds = 0;
  const auto one = unit();
  for (; rounds < 3; ++rounds) {
    const auto regions = select(pool, request(one)).regions;
    ASSERT_EQ(regions.size(), 1U) << "round " << rounds;
    expect_proper(pool, regions);
    for (auto& frame : pool.frames)
      if (frame.id == regions[0].frame_id) frame.asked(regions[0].box_px).setTo(255);
  }
}

TEST_P(StrategyContract, APoolThatWasAskedWholeGivesNothing) {
  auto pool = random_pool(3, kOneSize);
  for (auto& frame : pool.frames) frame.asked = cv::Mat(frame.size, CV_8UC1, cv::Scalar(255));
  EXPECT_TRUE(select(pool, request(kPlenty)).regions.empty());
}

TEST_P(StrategyContract, TheSameSeedGivesTheSameRegions) {
  auto pool = random_pool(5, kMixedSizes);
  const auto first = select(pool, request(2500)).regions;
  expect_same(first, select(pool, request(2500)).regions);
}

TEST_P(StrategyContract, AnEmptyPoolGivesNothing) {
  SyntheticPool pool;
  const auto selection = select(pool, request(kPlenty));
  EXPECT_TRUE(selection.regions.empty());
  EXPECT_FALSE(selection.stopped);
}

TEST_P(StrategyContract, ABudgetBelowOneRegionGivesNothingAndCostsNothing) {
  auto pool = random_pool(3, kOneSize);
  const auto selection = select(pool, request(unit() - 1));
  EXPECT_TRUE(selection.regions.empty());
  EXPECT_FALSE(selection.stopped);
  EXPECT_EQ(pool.predictions(), 0);
}

TEST_P(StrategyContract, StopsBetweenFrames) {
  auto pool = random_pool(3, kOneSize);
  std::stop_source source;
  auto r = request(kPlenty);
  r.stop = source.get_token();
  source.request_stop();
  const auto selection = select(pool, r);
  EXPECT_TRUE(selection.stopped);
  EXPECT_TRUE(selection.regions.empty());
  EXPECT_EQ(pool.predictions(), 0);
}

TEST_P(StrategyContract, FramesThatAreGoneAreLeftOut) {
  auto pool = random_pool(5, kOneSize);
  pool.frames[1].gone = pool.frames[3].gone = true;
  auto there = random_pool(5, kOneSize);
  const auto selection = select(pool, request(kPlenty));
  if (pool.predictions() == 0) return;  // the teacher is not run: whoever asked for it finds out
  EXPECT_FALSE(selection.regions.empty());
  for (const auto& region : selection.regions)
    EXPECT_TRUE(region.frame_id != "frame_01" && region.frame_id != "frame_03") << region.frame_id;
}

TEST_P(StrategyContract, WhatTheRoundAsksAlreadyCountsForTheLimitPerFrame) {
  const auto one = unit();
  auto pool = random_pool(4, kOneSize);
  pool.frames[2].asked_px = 1;
  auto r = request(kPlenty);
  r.budget.pixels_per_frame = one;
  const auto whole_images = one == static_cast<std::int64_t>(kOneSize[0].width) * kOneSize[0].height;
  if (whole_images) return;  // they leave out every frame that something was asked of
  for (const auto& region : select(pool, r).regions) EXPECT_NE(region.frame_id, "frame_02");
}

/// Interrupts a selection after the first frame, then after the second.. and goes on each time as a new
/// process would: a new strategy, a new log on the same folder.
Selection select_in_pieces(const config::Chosen& strategy, SyntheticPool& pool, SelectRequest r,
                           const std::filesystem::path& folder, int save_every_frames) {
  for (int piece = 0; piece < 100; ++piece) {
    std::stop_source source;
    r.stop = source.get_token();
    r.progress = [&](std::size_t done) {
      if (done == static_cast<std::size_t>(piece) + 1) source.request_stop();
    };
    ScanLog log(folder, "round", save_every_frames);
    if (!log.plan()) log.begin({r.budget, {}, {}});
    const auto selection = make_strategy(strategy)->select(pool, r, &log);
    if (!selection.stopped) return selection;
  }
  ADD_FAILURE() << "it never ended";
  return {};
}

TEST_P(StrategyContract, InterruptedAtEveryFrameItChoosesTheSame) {
  for (const std::int64_t pixels : {900, 4000}) {
    for (const int side : {3, 8}) {
      auto pool = random_pool(7, kMixedSizes);
      pool.frames[4].asked = cv::Mat::zeros(pool.frames[4].size, CV_8UC1);
      pool.frames[4].asked(cv::Rect(9, 9, 11, 10)).setTo(1);
      auto r = request(pixels);
      r.region_px = side;
      const auto whole = select(pool, r).regions;
      const int runs = pool.predictions();
      const test::TempFolder folder;
      const auto pieces = select_in_pieces(strategy(), pool, r, folder.path(), 3).regions;
      expect_same(whole, pieces);
      for (std::size_t i = 0; i < std::min(whole.size(), pieces.size()); ++i)
        EXPECT_EQ(whole[i].score, pieces[i].score) << i;
      EXPECT_EQ(pool.predictions(), 2 * runs) << "no frame was looked at again";
    }
  }
}

TEST_P(StrategyContract, AKillCostsTheFramesSinceTheLastChunk) {
  auto pool = random_pool(7, kOneSize);
  const auto r = request(4000);
  const auto whole = select(pool, r).regions;
  const int runs = pool.predictions();
  const test::TempFolder folder;
  struct Killed {};
  auto dies = r;
  dies.progress = [](std::size_t done) {
    if (done == 5) throw Killed();
  };
  {
    ScanLog log(folder.path(), "round", 2);
    log.begin({r.budget, {}, {}});
    EXPECT_THROW(make_strategy(strategy())->select(pool, dies, &log), Killed);
  }
  ScanLog log(folder.path(), "round", 2);
  EXPECT_EQ(log.found(), 4);
  expect_same(whole, make_strategy(strategy())->select(pool, r, &log).regions);
  if (runs > 0) {
    EXPECT_EQ(pool.predictions(), 7 + 5 + 3);
  }
}

TEST_P(StrategyContract, ABrokenTeacherIsRefused) {
  auto pool = random_pool(2, kOneSize);
  for (auto& frame : pool.frames) {
    frame.prediction.prob_chw =
        at::full_like(frame.prediction.prob_chw, std::numeric_limits<float>::quiet_NaN());
    frame.prediction.feature_dhw = frame.prediction.feature_dhw * std::numeric_limits<float>::quiet_NaN();
  }
  try {
    select(pool, request(kPlenty));
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("frame_00"));
    return;
  }
  EXPECT_EQ(pool.predictions(), 0) << "only a strategy that does not run the teacher may overlook it";
}

TEST_P(StrategyContract, ItsScoreMapHasTheFramesSize) {
  const auto prediction = test::random_prediction({52, 40}, 3);
  const auto map = make_strategy(strategy())->score_map(prediction, request(1).region_px);
  if (!map) return;
  EXPECT_EQ(map->sizes(), (at::IntArrayRef{40, 52}));
  EXPECT_TRUE(map->is_cpu());
  EXPECT_TRUE(map->isfinite().all().item<bool>());
}

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (const auto& entry : strategy_choices()) all.emplace_back(entry.name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(All, StrategyContract, testing::ValuesIn(names()),
                         [](const auto& entry) { return entry.param; });

TEST(StrategyTable, NamesAreUniqueAndExplained) {
  std::set<std::string_view> seen;
  for (const auto& entry : strategy_choices()) {
    EXPECT_TRUE(seen.insert(entry.name).second) << entry.name;
    EXPECT_FALSE(entry.help.empty()) << entry.name;
  }
  EXPECT_THROW(make_strategy(config::Chosen("covr")), Error);
}

}  // namespace
}  // namespace driftloop::adapt
