// cover (ours): ask what is typical of the parts of the pool that nothing was asked about yet. Tiles of all
// frames are clustered by the teacher's features into (asked + n) clusters; those that hold an asked tile are
// covered; from the n heaviest others the tile nearest to the centre is asked. Uncertainty never asks where
// the net is confidently wrong; this does. Clusters go where tiles are many: with tiles that all count alike
// the regions asked for have the pool's class frequencies, as random ones have. So a tile counts by its
// predicted class, rare ones more (CoverOptions::balance).
//
// A frame's scan: its tiles that are clustered (all, or a sample where the pool has more than
// max_tiles), with feature (half precision), predicted class and place: 2 x D + 6 bytes a tile.
#include "adapt/acquisition/cover.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <opencv2/core.hpp>

#include "adapt/acquisition/cosine_kmeans.h"
#include "adapt/acquisition/cover_choice.h"
#include "adapt/acquisition/pixel_maps.h"
#include "adapt/acquisition/region_budget.h"
#include "adapt/acquisition/tile_features.h"
#include "adapt/acquisition/window_strategy.h"
#include "config/check.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {

/// The tiles that are clustered, and their features in half precision on the CPU: 2 bytes a channel and tile.
struct TilePool {
  std::vector<CoverTile> tiles;
  std::vector<at::Tensor> features;  // one (tiles of the frame, D) a frame
  std::vector<at::Tensor> classes;   // one (tiles of the frame) int64 a frame: as predicted
  at::Device device = at::kCPU;      // the teacher's: k-means runs there
};

struct TileCount {
  std::int64_t open = 0;
  std::int64_t asked = 0;
};

/// `keep` of the numbers in `from`, chosen at random, in their order.
std::vector<std::int64_t> sample(std::vector<std::int64_t> from, std::int64_t keep, config::Random& rng) {
  if (static_cast<std::int64_t>(from.size()) <= keep) return from;
  rng.shuffle(from);
  from.resize(static_cast<std::size_t>(std::max<std::int64_t>(keep, 0)));
  std::sort(from.begin(), from.end());
  return from;
}

/// Of a frame's tiles, the share of each kind that fits the pool's limit. A running quota: rounding does not
/// add up.
class TileShare {
 public:
  TileShare(std::int64_t all, std::int64_t limit)
      : share_(all > limit ? static_cast<double>(limit) / static_cast<double>(all) : 1) {}
  std::int64_t of(std::int64_t tiles) {
    seen_ += static_cast<double>(tiles);
    const auto keep = static_cast<std::int64_t>(seen_ * share_) - kept_;
    kept_ += keep;
    return keep;
  }

 private:
  double share_;
  double seen_ = 0;
  std::int64_t kept_ = 0;
};

/// Of one frame. A tile that touches what is held out is neither: nobody learns from that, so that it covers
/// nothing, and it cannot be asked for.
struct TileStates {
  std::vector<std::int64_t> open, asked;
};

TileStates states_of(const cv::Mat& taken_hw, const TileGrid& grid) {
  TileStates states;
  const cv::Mat most = most_taken(taken_hw, grid);
  for (std::int64_t t = 0; t < grid.size(); ++t) {
    const int taken = most.data[t];
    if (taken == kOpen) states.open.push_back(t);
    if (taken == kOutstanding || taken == kLabelled) states.asked.push_back(t);
  }
  return states;
}

class CoverChoice final : public Choice {
 public:
  CoverChoice(const CoverOptions& options, const PoolFacts& facts, const SelectRequest& request,
              const RegionBudget& budget)
      : options_(options), facts_(facts), request_(request), budget_(budget) {
    gathered_.device = facts.device();
    share_tiles();
  }

  std::optional<Want> wants(std::size_t index) const override {
    const auto& keep = keep_[index];
    if (keep.open <= 0 && keep.asked <= 0) return std::nullopt;
    return options_.features == "backbone" ? Want::probabilities_and_backbone
                                           : Want::probabilities_and_features;
  }
  Scan observe(std::size_t index, const Prediction& prediction) const override;
  void take(std::size_t index, Scan scan) override;
  std::vector<Region> choose() override;

 private:
  TileGrid grid(std::size_t index) const { return {facts_.frame_size(index), request_.region_px}; }
  void share_tiles();
  at::Tensor fit_centres(const at::Tensor& features) const;

  const CoverOptions& options_;
  const PoolFacts& facts_;
  const SelectRequest& request_;
  RegionBudget budget_;
  std::vector<TileCount> keep_;  // of each frame
  TilePool gathered_;
};

/// How many tiles of each frame are clustered. All frames count, gone ones too: the others' scans must not
/// depend on it.
void CoverChoice::share_tiles() {
  TileCount all;
  for (std::size_t i = 0; i < facts_.size(); ++i) {
    const TileStates states = states_of(facts_.taken(i), grid(i));
    keep_.push_back({.open = std::ssize(states.open), .asked = std::ssize(states.asked)});
    all.open += keep_.back().open;
    all.asked += keep_.back().asked;
  }
  const auto limit = std::max<std::int64_t>(options_.max_tiles, 2 * budget_.total);
  TileShare open(all.open, limit);
  TileShare asked(all.asked, limit);
  for (auto& keep : keep_) keep = {.open = open.of(keep.open), .asked = asked.of(keep.asked)};
}

Scan CoverChoice::observe(std::size_t index, const Prediction& prediction) const {
  const auto& keep = keep_[index];
  const TileStates states = states_of(facts_.taken(index), grid(index));
  config::Random rng(config::hash_text(facts_.frame_id(index), request_.seed));
  auto kept = sample(states.open, keep.open, rng);
  const auto open = kept.size();
  const auto asked = sample(states.asked, keep.asked, rng);
  kept.insert(kept.end(), asked.begin(), asked.end());
  auto state = at::zeros({static_cast<std::int64_t>(kept.size())}, at::kByte);
  state.slice(0, static_cast<std::int64_t>(open)).fill_(1);
  const auto tile = at::tensor(kept, at::kLong);
  const auto rows = tile.to(prediction.feature_dhw.device());
  return Scan{
      {"tile", tile.to(at::kInt)},
      {"asked", state},
      {"feature",
       tile_features(prediction.feature_dhw, grid(index)).index_select(0, rows).to(at::kCPU, at::kHalf)},
      {"class", tile_classes(prediction, grid(index)).index_select(0, rows).to(at::kCPU, at::kByte)}};
}

void CoverChoice::take(std::size_t index, Scan scan) {
  if (scan.empty()) return;
  const auto* tile = scan.at("tile").const_data_ptr<int>();
  const auto* asked = scan.at("asked").const_data_ptr<std::uint8_t>();
  for (std::int64_t t = 0; t < scan.at("tile").numel(); ++t)
    gathered_.tiles.push_back({.frame = static_cast<std::int64_t>(index),
                               .tile = tile[t],
                               .cluster = 0,
                               .similarity = 0,
                               .state = asked[t] != 0 ? CoverTile::State::asked : CoverTile::State::open});
  gathered_.features.push_back(scan.at("feature"));
  gathered_.classes.push_back(scan.at("class").to(at::kLong));
}

/// What each tile counts by its predicted class, scaled to a mean of 1.
void weigh_tiles(TilePool& gathered, double balance) {
  const auto classes = at::cat(gathered.classes);
  const auto share = classes.bincount().to(at::kDouble) / static_cast<double>(classes.numel());
  const auto weight = share.index_select(0, classes).pow(-balance);
  const auto scaled = (weight / weight.mean()).to(at::kFloat).contiguous();
  const auto* value = scaled.const_data_ptr<float>();
  for (std::size_t i = 0; i < gathered.tiles.size(); ++i) gathered.tiles[i].weight = value[i];
}

void cluster_tiles(TilePool& gathered, const at::Tensor& features, const at::Tensor& centres) {
  const auto nearest = nearest_centre(features, centres);
  const auto* cluster = nearest.cluster.const_data_ptr<std::int64_t>();
  const auto* similarity = nearest.similarity.const_data_ptr<float>();
  for (std::size_t i = 0; i < gathered.tiles.size(); ++i) {
    gathered.tiles[i].cluster = cluster[i];
    gathered.tiles[i].similarity = similarity[i];
  }
}

at::Tensor CoverChoice::fit_centres(const at::Tensor& features) const {
  const auto& tiles = gathered_.tiles;
  const auto asked = std::count_if(tiles.begin(), tiles.end(), [](const CoverTile& tile) {
    return tile.state == CoverTile::State::asked;
  });
  std::vector<std::int64_t> all(static_cast<std::size_t>(features.size(0)));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  config::Random rng(config::mix64(request_.seed ^ 1));
  const auto fitted = sample(std::move(all), options_.fit_tiles, rng);
  const auto rows = features.index_select(0, at::tensor(fitted, at::kLong)).to(gathered_.device, at::kFloat);
  std::vector<float> weights;
  for (const auto tile : fitted) weights.push_back(tiles[static_cast<std::size_t>(tile)].weight);
  return cosine_kmeans(rows,
                       {.clusters = std::min<std::int64_t>(asked + budget_.total, options_.max_clusters),
                        .iterations = options_.kmeans_iterations,
                        .seed = config::mix64(request_.seed ^ 2),
                        .weight_n = at::tensor(weights).to(gathered_.device),
                        .before_iteration = [&] {
                          if (request_.progress) request_.progress(facts_.size());
                          return !request_.stop.stop_requested();
                        }});
}

std::vector<Region> CoverChoice::choose() {
  if (gathered_.tiles.empty()) return {};
  const auto features = at::cat(gathered_.features);
  gathered_.features.clear();
  weigh_tiles(gathered_, options_.balance);
  const auto centres = fit_centres(features);
  if (request_.stop.stop_requested()) return {};
  cluster_tiles(gathered_, features, centres);

  CoverLimits limits{.count = budget_.total, .of_frame = {}, .seed = request_.seed};
  for (std::size_t i = 0; i < facts_.size(); ++i)
    limits.of_frame.push_back(regions_left(request_.budget, budget_, request_.region_px, facts_.asked_px(i)));
  std::vector<Region> regions;
  const auto chosen = choose_cover(gathered_.tiles, centres.size(0), limits);
  for (std::size_t rank = 0; rank < chosen.size(); ++rank) {
    const auto& tile = gathered_.tiles[chosen[rank]];
    const auto frame = static_cast<std::size_t>(tile.frame);
    // The score only orders: 1 for the first asked, falling to 0.
    const double score = 1.0 - static_cast<double>(rank) / static_cast<double>(chosen.size());
    regions.push_back({facts_.frame_id(frame), grid(frame).box(tile.tile), score});
  }
  return regions;
}

class Cover final : public Strategy {
 public:
  explicit Cover(const CoverOptions& options) : options_(options) {}

 private:
  std::unique_ptr<Choice> begin(const PoolFacts& facts, const SelectRequest& request) override {
    const auto budget = region_budget(request.budget, request.region_px, pool_pixels(facts));
    if (budget.per_frame == 0) return nullptr;
    return std::make_unique<CoverChoice>(options_, facts, request, budget);
  }

  CoverOptions options_;
};

}  // namespace

void describe(config::Fields& f, CoverOptions& o) {
  f.choice(
      "features", o.features, {"decoder", "backbone"},
      "by what tiles are alike: what the classifier sees (decoder, fine), or the last map of the backbone, "
      "coarser and less shaped by the classes known so far");
  f.field("balance", o.balance, {0, 1},
          "a tile counts by (share of its predicted class)^-balance: 0 = clusters follow area, 1 = every "
          "predicted class gets as many");
  f.field("max_clusters", o.max_clusters, {1, 65'536},
          "clusters at most, which caps the cost of k-means; beyond it several regions a cluster are asked");
  f.field("fit_tiles", o.fit_tiles, {1, 10'000'000}, "tiles that k-means is fitted on");
  f.field(
      "max_tiles", o.max_tiles, {1, 100'000'000},
      "tiles kept as candidates over the whole pool, at least 2 per region asked; 2 bytes a channel each");
  f.field("kmeans_iterations", o.kmeans_iterations, {1, 1000}, "Lloyd iterations of k-means");
}

std::unique_ptr<Strategy> make_cover(const CoverOptions& options) {
  return std::make_unique<Cover>(options);
}

}  // namespace driftloop::adapt
