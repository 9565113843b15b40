// cover (ours): ask what is typical of the parts of the pool that nothing was asked about yet. Tiles of all
// frames are clustered by the teacher's features into (asked + n) clusters; those that hold an asked tile are
// covered; from the n heaviest others the tile nearest to the centre is asked. Uncertainty never asks where
// the net is confidently wrong; this does. Clusters go where tiles are many: with tiles that all count alike
// the regions asked for have the pool's class frequencies, as random ones have. So a tile counts by its
// predicted class, rare ones more (CoverOptions::balance). What the net is unsure of may count more, too
// (CoverOptions::uncertainty): the centres then go where it is unsure, each somewhere else, as CLUE (Prabhu
// et al., ICCV 2021) does with whole images and their entropy.
#include "adapt/acquisition/cover.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>

#include "adapt/acquisition/cosine_kmeans.h"
#include "adapt/acquisition/cover_choice.h"
#include "adapt/acquisition/tile_choice.h"
#include "adapt/acquisition/window_strategy.h"
#include "config/check.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {

constexpr double kLeastMargin = 1e-4;  // in half precision a net may be sure of every tile

class CoverChoice final : public TileChoice {
 public:
  CoverChoice(const CoverOptions& options, const PoolFacts& facts, const SelectRequest& request,
              const RegionBudget& budget)
      : TileChoice({options.features, options.max_tiles, options.uncertainty > 0}, facts, request, budget),
        options_(options) {}
  std::vector<Region> choose() override;

 private:
  at::Tensor tile_weights() const;
  at::Tensor fit_centres(const at::Tensor& features, const at::Tensor& weight_n) const;

  const CoverOptions& options_;
};

/// What each tile counts by its predicted class, scaled to a mean of 1.
at::Tensor CoverChoice::tile_weights() const {
  const auto predicted = classes();
  const auto share = predicted.bincount().to(at::kDouble) / static_cast<double>(predicted.numel());
  auto weight = share.index_select(0, predicted).pow(-options_.balance);
  if (options_.uncertainty > 0)
    weight = weight * margins().to(at::kDouble).clamp_min(kLeastMargin).pow(options_.uncertainty);
  return (weight / weight.mean()).to(at::kFloat).contiguous();
}

at::Tensor CoverChoice::fit_centres(const at::Tensor& features, const at::Tensor& weight_n) const {
  const auto asked = std::count_if(tiles_.begin(), tiles_.end(), [](const auto& tile) { return tile.asked; });
  std::vector<std::int64_t> all(static_cast<std::size_t>(features.size(0)));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  config::Random rng(config::mix64(request_.seed ^ 1));
  const auto fitted = at::tensor(sample(std::move(all), options_.fit_tiles, rng), at::kLong);
  return cosine_kmeans(features.index_select(0, fitted).to(facts_.device(), at::kFloat),
                       {.clusters = std::min<std::int64_t>(asked + budget_.total, options_.max_clusters),
                        .iterations = options_.kmeans_iterations,
                        .seed = config::mix64(request_.seed ^ 2),
                        .weight_n = weight_n.index_select(0, fitted).to(facts_.device()),
                        .before_iteration = [&] {
                          if (request_.progress) request_.progress(facts_.size());
                          return !request_.stop.stop_requested();
                        }});
}

std::vector<Region> CoverChoice::choose() {
  if (tiles_.empty()) return {};
  const auto features = take_features();
  const auto weights = tile_weights();
  const auto centres = fit_centres(features, weights);
  if (request_.stop.stop_requested()) return {};
  const auto nearest = nearest_centre(features, centres);
  const auto* cluster = nearest.cluster.const_data_ptr<std::int64_t>();
  const auto* similarity = nearest.similarity.const_data_ptr<float>();
  const auto* weight = weights.const_data_ptr<float>();
  std::vector<CoverTile> tiles;
  for (std::size_t i = 0; i < tiles_.size(); ++i)
    tiles.push_back({.frame = tiles_[i].frame,
                     .tile = tiles_[i].tile,
                     .cluster = cluster[i],
                     .similarity = similarity[i],
                     .weight = weight[i],
                     .state = tiles_[i].asked ? CoverTile::State::asked : CoverTile::State::open});
  return regions_of(choose_cover(tiles, centres.size(0),
                                 {.count = budget_.total,
                                  .of_frame = left_of_frames(),
                                  .seed = request_.seed,
                                  .draw_by_weight = options_.uncertainty > 0}));
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
  f.field("uncertainty", o.uncertainty, {0, 4},
          "a tile counts by (how unsure the net is of it)^uncertainty, 1 - margin of the two most probable "
          "classes: 0 = all alike");
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
