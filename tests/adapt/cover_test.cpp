#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <set>

#include "adapt/acquisition/cosine_kmeans.h"
#include "adapt/acquisition/cover.h"
#include "adapt/acquisition/cover_choice.h"
#include "adapt/acquisition/tile_features.h"
#include "config/random.h"
#include "tests/adapt/synthetic_pool.h"

namespace driftloop::adapt {
namespace {

using State = CoverTile::State;

TEST(TileFeatures, TilesOfOneCellAreThatCell) {
  const auto feature = at::randn({5, 4, 6});
  const TileGrid grid({48, 32}, 8);
  const auto tiles = tile_features(feature, grid);
  ASSERT_EQ(tiles.sizes(), (at::IntArrayRef{24, 5}));
  const auto want = feature / feature.norm(2, 0, true);
  EXPECT_TRUE(tiles.allclose(want.permute({1, 2, 0}).reshape({24, 5}), 1e-4, 1e-5));
}

TEST(TileFeatures, LargeTilesAverageAndSmallOnesShare) {
  const auto feature = at::randn({3, 4, 4});
  const auto unit = feature / feature.norm(2, 0, true);
  const auto large = tile_features(feature, TileGrid({32, 32}, 16))[1];  // rows 0-1, columns 2-3 of the cells
  const auto mean = unit.slice(1, 0, 2).slice(2, 2, 4).mean({1, 2});
  EXPECT_TRUE(large.allclose(mean / mean.norm(), 1e-4, 1e-5));
  const auto small = tile_features(feature, TileGrid({32, 32}, 4));
  EXPECT_TRUE(small[0].allclose(small[9], 1e-4, 1e-5)) << "tiles (0, 0) and (1, 1) lie in one cell";
}

TEST(TileFeatures, ClassOfATileIsTheLikeliestOnTheWhole) {
  auto prob = at::full({3, 17, 26}, 0.1F);
  prob[0] += 0.3;                                 // class 0 everywhere,
  prob.slice(1, 0, 8).slice(2, 8, 13)[2] += 0.6;  // class 2 on five of the eight columns of tile 1,
  prob.slice(1, 8, 12).slice(2, 0, 4)[1] += 0.6;  // class 1 on a quarter of tile 3
  prob[1].slice(0, 16, 17).fill_(1);              // and below the last whole tile
  EXPECT_TRUE(tile_classes(prob, TileGrid({26, 17}, 8)).equal(at::tensor({0, 2, 0, 0, 0, 0}, at::kLong)));
}

TEST(TileFeatures, MeansOfATileAreOfItsOwnPixels) {
  auto map = at::zeros({17, 26});
  map.slice(0, 0, 8).slice(1, 8, 12).fill_(1);  // half of tile 1
  map.slice(0, 16, 17).fill_(9);                // below the last whole tile
  map[8][0] = 64;                               // one pixel of tile 3
  EXPECT_TRUE(tile_means(map, TileGrid({26, 17}, 8)).equal(at::tensor({0.0F, 0.5F, 0.0F, 1.0F, 0.0F, 0.0F})));
}

TEST(TileFeatures, TilesTouchingFollowTheMask) {
  cv::Mat asked = cv::Mat::zeros(20, 27, CV_8UC1);
  asked.at<std::uint8_t>(7, 8) = 1;
  asked.at<std::uint8_t>(17, 26) = 1;  // beyond the last whole tile
  const auto touching = most_taken(asked, TileGrid({27, 20}, 8));
  ASSERT_EQ(touching.size(), cv::Size(3, 2));
  EXPECT_EQ(cv::countNonZero(touching), 1);
  EXPECT_EQ(touching.at<std::uint8_t>(0, 1), 1);
}

/// `per` rows around each of `k` orthogonal directions.
at::Tensor planted_rows(int k, int per, int d) {
  at::manual_seed(1);
  auto rows =
      at::eye(k, d).repeat_interleave(per, 0) + 0.05 * at::randn({static_cast<std::int64_t>(k) * per, d});
  return rows / rows.norm(2, 1, true);
}

TEST(CosineKmeans, FindsPlantedClusters) {
  const auto rows = planted_rows(4, 50, 16);
  const auto centres = cosine_kmeans(rows, {.clusters = 12, .iterations = 10, .seed = 3});
  EXPECT_TRUE(centres.norm(2, 1).allclose(at::ones({12}), 1e-4, 1e-4));
  const auto nearest = nearest_centre(rows.to(at::kHalf), centres);
  for (int i = 0; i < 200; ++i)
    for (int j = 0; j < 200; ++j)
      if (i / 50 != j / 50) {
        ASSERT_NE(nearest.cluster[i].item<int>(), nearest.cluster[j].item<int>());
      }
  EXPECT_GT(nearest.similarity.min().item<float>(), 0.9F);
}

TEST(CosineKmeans, HeavyRowsDrawTheCentres) {
  const auto rows = planted_rows(2, 200, 8);
  const auto near_first = [&](const at::Tensor& weight) {
    int count = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const auto centres = cosine_kmeans(
          rows, {.clusters = 8, .iterations = 3, .seed = config::mix64(seed), .weight_n = weight});
      count += centres.select(1, 0).gt(centres.select(1, 1)).sum().item<int>();
    }
    return count;
  };
  const auto light = at::cat({at::full({200}, 0.05F), at::ones({200})});
  EXPECT_NEAR(near_first({}), 80, 25);
  EXPECT_NEAR(near_first(at::ones({400})), near_first({}), 0) << "equal weights are none";
  EXPECT_LT(near_first(light), 25);
}

TEST(CosineKmeans, ACentreIsTheWeightedMeanOfItsRows) {
  const auto rows = at::tensor({1.0F, 0.0F, 0.0F, 1.0F}).reshape({2, 2});
  const auto centre =
      cosine_kmeans(rows, {.clusters = 1, .iterations = 5, .seed = 1, .weight_n = at::tensor({3.0F, 1.0F})});
  EXPECT_NEAR(centre[0][0].item<float>() / centre[0][1].item<float>(), 3, 1e-4);
}

TEST(CosineKmeans, IsRepeatableAndTakesNoMoreClustersThanRows) {
  const auto rows = planted_rows(3, 10, 8);
  const KmeansOptions options{.clusters = 5, .iterations = 10, .seed = 9};
  EXPECT_TRUE(cosine_kmeans(rows, options).equal(cosine_kmeans(rows, options)));
  EXPECT_EQ(cosine_kmeans(rows, {.clusters = 100, .iterations = 2, .seed = 9}).size(0), 30);
}

std::vector<std::int64_t> frames_of(std::int64_t tiles, std::size_t frames) {
  return std::vector<std::int64_t>(frames, tiles);
}

TEST(ChooseCover, HeaviestUncoveredFirstThenByMass) {
  std::vector<CoverTile> tiles;
  const auto add = [&](std::int64_t cluster, int count, State state = State::open) {
    for (int i = 0; i < count; ++i)
      tiles.push_back({.frame = i,
                       .tile = 0,
                       .cluster = cluster,
                       .similarity = 0.5F + 0.01F * static_cast<float>(i),
                       .state = state});
  };
  add(0, 3);   // light, uncovered
  add(1, 20);  // heavy, covered by the next line
  add(1, 1, State::asked);
  add(2, 5);  // heavier, uncovered
  const auto chosen = choose_cover(tiles, 3, {.count = 4, .of_frame = frames_of(100, 30), .seed = 1});
  std::vector<std::int64_t> clusters;
  for (const auto i : chosen) clusters.push_back(tiles[i].cluster);
  EXPECT_EQ(clusters, (std::vector<std::int64_t>{2, 0, 1, 1}));
  EXPECT_FLOAT_EQ(tiles[chosen[0]].similarity, 0.54F) << "the nearest to the centre";
}

TEST(ChooseCover, MassIsWeight) {
  std::vector<CoverTile> tiles;
  for (int i = 0; i < 30; ++i) tiles.push_back({.frame = i, .tile = 0, .cluster = 0, .similarity = 0.5F});
  for (int i = 0; i < 3; ++i)
    tiles.push_back({.frame = i, .tile = 1, .cluster = 1, .similarity = 0.5F, .weight = 20});
  const auto chosen = choose_cover(tiles, 2, {.count = 1, .of_frame = frames_of(9, 30), .seed = 1});
  EXPECT_EQ(tiles[chosen.at(0)].cluster, 1) << "three tiles of weight 20 are more than thirty of weight 1";
}

TEST(ChooseCover, WithinAClusterTheHeavierTilesComeSoonerWhereThatIsAsked) {
  int heavy = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    std::vector<CoverTile> tiles;
    for (int i = 0; i < 200; ++i)
      tiles.push_back(
          {.frame = i, .tile = 0, .cluster = 0, .similarity = 0.5F, .weight = i % 2 == 0 ? 9.0F : 1.0F});
    const auto chosen = choose_cover(
        tiles, 1,
        {.count = 20, .of_frame = frames_of(9, 200), .seed = config::mix64(seed), .draw_by_weight = true});
    for (const auto i : chosen) heavy += i % 2 == 0;
  }
  EXPECT_NEAR(heavy, 176, 20) << "of 200: nine to one at first, a little less as they run out";
}

TEST(ChooseCover, UsesTheWholeBudgetUnderALimitPerFrame) {
  std::vector<CoverTile> tiles;
  for (int i = 0; i < 60; ++i)
    tiles.push_back(
        {.frame = i % 3, .tile = i, .cluster = i % 7 == 0, .similarity = 0.1F, .state = State::open});
  EXPECT_EQ(choose_cover(tiles, 2, {.count = 1000, .of_frame = frames_of(1000, 3), .seed = 1}).size(), 60U);
  const auto chosen = choose_cover(tiles, 2, {.count = 1000, .of_frame = {4, 2, 4}, .seed = 1});
  EXPECT_EQ(chosen.size(), 10U);
  EXPECT_EQ(std::set<std::size_t>(chosen.begin(), chosen.end()).size(), 10U);
}

/// Six kinds of 8x8 blocks, each with its own feature; the net is sure of all but kind 0, which fills a sixth
/// of every frame.
test::SyntheticPool planted_pool() {
  test::SyntheticPool pool;
  at::manual_seed(4);
  for (int f = 0; f < 6; ++f) {
    auto feature = 0.05 * at::randn({8, 6, 12});
    auto logits = at::zeros({6, 48, 96});
    for (int kind = 0; kind < 6; ++kind) {
      feature.slice(2, 2 * kind, 2 * kind + 2)[kind] += 1.0;
      logits.slice(2, 16 * kind, 16 * kind + 16)[1] += kind == 0 ? 0.1 : 6.0;
    }
    pool.frames.push_back({.id = std::string("f") + std::to_string(f),
                           .group = "g",
                           .size = {96, 48},
                           .prediction = {logits.softmax(0), feature},
                           .asked = {}});
  }
  return pool;
}

std::set<int> kinds_asked(const std::string& strategy) {
  auto pool = planted_pool();
  SelectRequest request;
  request.budget.pixels = 24L * 64;
  std::set<int> kinds;
  for (const auto& region : make_strategy(config::Chosen(strategy))->select(pool, request).regions)
    kinds.insert(region.box_px.x / 16);
  return kinds;
}

TEST(Cover, AsksEveryKindWhereEntropyAsksOne) {
  EXPECT_EQ(kinds_asked("cover").size(), 6U);
  EXPECT_EQ(kinds_asked("entropy").size(), 1U);
}

/// Frames of class 0 but for two tiles in 72, of class 1; features are the same everywhere but for noise.
int rare_asked(double balance) {
  auto pool = planted_pool();
  at::manual_seed(7);
  for (auto& frame : pool.frames) {
    auto logits = at::zeros({6, 48, 96});
    logits[0] += 5;
    logits.slice(1, 8, 16).slice(2, 8, 24)[1] += 9;
    frame.prediction = {logits.softmax(0), at::randn({8, 6, 12})};
  }
  SelectRequest request;
  request.budget.pixels = 36L * 64;
  const config::Chosen strategy("cover", CoverOptions{.balance = balance});
  int rare = 0;
  for (const auto& region : make_strategy(strategy)->select(pool, request).regions)
    rare += region.box_px.y == 8 && (region.box_px.x == 8 || region.box_px.x == 16);
  return rare;
}

TEST(Cover, BalanceAsksMoreOfRarePredictions) {
  EXPECT_LE(rare_asked(0), 4);
  EXPECT_GE(rare_asked(1), 8) << "of the 12 there are";
}

/// Of 36 tiles those of the kind that the net is unsure of, a sixth of the pool; features are noise.
int unsure_asked(double uncertainty) {
  auto pool = planted_pool();
  at::manual_seed(7);
  for (auto& frame : pool.frames) frame.prediction.feature_dhw = at::randn({8, 6, 12});
  SelectRequest request;
  request.budget.pixels = 36L * 64;
  const config::Chosen strategy("cover", CoverOptions{.uncertainty = uncertainty});
  int unsure = 0;
  for (const auto& region : make_strategy(strategy)->select(pool, request).regions)
    unsure += region.box_px.x < 16;
  return unsure;
}

TEST(Cover, UncertaintyAsksMoreOfWhatTheNetIsUnsureOf) {
  EXPECT_LE(unsure_asked(0), 14);
  EXPECT_GE(unsure_asked(1), 24);
}

TEST(Cover, OfANetThatIsSureOfEverythingUncertaintyChangesNothing) {
  auto pool = planted_pool();
  for (auto& frame : pool.frames) {
    auto prob = at::zeros({6, 48, 96});
    prob[1] = 1;
    frame.prediction.prob_chw = prob;
  }
  SelectRequest request;
  request.budget.pixels = 24L * 64;  // a cluster each, so that no lot is drawn
  const auto asked = [&](double uncertainty) {
    const config::Chosen strategy("cover", CoverOptions{.uncertainty = uncertainty});
    std::vector<std::string> places;
    for (const auto& region : make_strategy(strategy)->select(pool, request).regions)
      places.push_back(region.frame_id + ' ' + std::to_string(region.box_px.x) + ' ' +
                       std::to_string(region.box_px.y));
    return places;
  };
  EXPECT_EQ(asked(0).size(), 24U);
  EXPECT_EQ(asked(4), asked(0));
}

TEST(Cover, GoesOnWithWhatIsNotCovered) {
  auto pool = planted_pool();
  for (auto& frame : pool.frames) {  // kinds 0, 1 and 2 were asked for
    frame.asked = cv::Mat::zeros(frame.size, CV_8UC1);
    frame.asked(cv::Rect(0, 0, 48, 48)).setTo(1);
  }
  SelectRequest request;
  request.budget.pixels = 3L * 64;
  const config::Chosen strategy("cover", CoverOptions{.max_clusters = 24});
  std::set<int> kinds;
  for (const auto& region : make_strategy(strategy)->select(pool, request).regions)
    kinds.insert(region.box_px.x / 16);
  for (const int kind : kinds) EXPECT_GE(kind, 3);
}

TEST(Cover, AFewRegionsARoundMeetEveryKindInTurn) {
  for (const std::int64_t a_round : {1, 2, 3}) {
    auto pool = planted_pool();
    std::vector<int> kinds;
    for (int round = 0; static_cast<std::int64_t>(kinds.size()) < 6; ++round) {
      SelectRequest request;
      request.budget = {.pixels = 1L << 40, .pixels_per_frame = 64, .regions = a_round};
      request.seed = config::mix64(static_cast<std::uint64_t>(round));
      const auto regions = make_strategy(config::Chosen("cover"))->select(pool, request).regions;
      ASSERT_EQ(static_cast<std::int64_t>(regions.size()), a_round);
      for (const auto& region : regions) {
        kinds.push_back(region.box_px.x / 16);
        auto& frame = pool.frames[static_cast<std::size_t>(region.frame_id[1] - '0')];
        if (frame.asked.empty()) frame.asked = cv::Mat::zeros(frame.size, CV_8UC1);
        frame.asked(region.box_px).setTo(1);
      }
    }
    EXPECT_GE(std::set<int>(kinds.begin(), kinds.end()).size(), 5U) << a_round << " regions a round";
  }
}

TEST(Cover, CapsItsCostAndStillUsesTheBudget) {
  auto pool = test::random_pool(6, {{96, 64}});
  SelectRequest request;
  request.budget.pixels = 90L * 64;
  const config::Chosen strategy(
      "cover", CoverOptions{.max_clusters = 7, .fit_tiles = 50, .max_tiles = 100, .kmeans_iterations = 3});
  EXPECT_EQ(make_strategy(strategy)->select(pool, request).regions.size(), 90U);
}

}  // namespace
}  // namespace driftloop::adapt
