// cover (ours): ask what is typical of the parts of the pool that nothing was asked about yet. Tiles of all
// frames are clustered by the teacher's features into (asked + n) clusters; those that hold an asked tile are
// covered; from the n heaviest others the tile nearest to the centre is asked. Uncertainty never asks where
// the net is confidently wrong; this does. Clusters go where tiles are many: with tiles that all count alike
// the regions asked for have the pool's class frequencies, as random ones have. So a tile counts by its
// predicted class, rare ones more (options: cover.balance).
#include <ATen/ATen.h>

#include <algorithm>
#include <numeric>
#include <opencv2/core.hpp>

#include "adapt/acquisition/cosine_kmeans.h"
#include "adapt/acquisition/cover_choice.h"
#include "adapt/acquisition/region_budget.h"
#include "adapt/acquisition/seeded_rng.h"
#include "adapt/acquisition/strategies.h"
#include "adapt/acquisition/tile_features.h"
#include "adapt/acquisition/window_strategy.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

/// The tiles that are clustered, and their features in half precision on the CPU: 2 bytes a channel and tile.
struct TilePool {
  std::vector<CoverTile> tiles;
  std::vector<at::Tensor> features;  // one (tiles of the frame, D) a frame
  std::vector<at::Tensor> classes;   // one (tiles of the frame) int64 a frame: as predicted
  at::Device device = at::kCPU;      // where the teacher's features came from: k-means runs there
};

struct TileCount {
  std::int64_t open = 0;
  std::int64_t asked = 0;
};

TileCount count_tiles(PoolView& pool, int tile_px) {
  TileCount count;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const TileGrid grid(pool.frame_size(i), tile_px);
    if (grid.size() == 0) continue;
    const auto asked = cv::countNonZero(tiles_touching(pool.asked_mask(i), grid));
    count.asked += asked;
    count.open += grid.size() - asked;
  }
  return count;
}

/// `keep` of the numbers in `from`, chosen at random, in their order.
std::vector<std::int64_t> sample(std::vector<std::int64_t> from, std::int64_t keep, SeededRng& rng) {
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
  std::int64_t of(std::size_t tiles) {
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

class Cover final : public Strategy {
  Selection do_select(PoolView& pool, const SelectRequest& request) override;
  bool gather(PoolView& pool, const SelectRequest& request, std::int64_t wanted, TilePool& gathered);
};

void add_tiles(TilePool& gathered, std::size_t frame, const std::vector<std::int64_t>& kept,
               CoverTile::State state) {
  for (const auto tile : kept)
    gathered.tiles.push_back({.frame = static_cast<std::int64_t>(frame),
                              .tile = tile,
                              .cluster = 0,
                              .similarity = 0,
                              .state = state});
}

/// False when the stop token was set.
bool Cover::gather(PoolView& pool, const SelectRequest& request, std::int64_t wanted, TilePool& gathered) {
  const int tile_px = request.options.region_px;
  const auto count = count_tiles(pool, tile_px);
  const auto limit = std::max<std::int64_t>(request.options.cover.max_tiles, 2 * wanted);
  TileShare open_share(count.open, limit);
  TileShare asked_share(count.asked, limit);
  for (std::size_t i = 0; i < pool.size(); ++i) {
    if (request.stop.stop_requested()) return false;
    const TileGrid grid(pool.frame_size(i), tile_px);
    if (grid.size() == 0) continue;
    const cv::Mat asked = tiles_touching(pool.asked_mask(i), grid);
    std::vector<std::int64_t> tiles[2];
    for (std::int64_t t = 0; t < grid.size(); ++t) tiles[asked.data[t] != 0].push_back(t);
    SeededRng rng(hash_text(pool.frame_id(i), request.seed));
    const auto open = sample(tiles[0], open_share.of(tiles[0].size()), rng);
    const auto touched = sample(tiles[1], asked_share.of(tiles[1].size()), rng);
    if (open.empty() && touched.empty()) continue;
    const auto prediction = checked_prediction(pool, i, Want::probabilities_and_features);
    gathered.device = prediction.feature_dhw.device();
    add_tiles(gathered, i, open, CoverTile::State::open);
    add_tiles(gathered, i, touched, CoverTile::State::asked);
    std::vector<std::int64_t> kept = open;
    kept.insert(kept.end(), touched.begin(), touched.end());
    const auto rows = at::tensor(kept, at::kLong).to(gathered.device);
    gathered.features.push_back(
        tile_features(prediction.feature_dhw, grid).index_select(0, rows).to(at::kCPU, at::kHalf));
    gathered.classes.push_back(tile_classes(prediction.prob_chw, grid).index_select(0, rows).cpu());
  }
  return true;
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

at::Tensor fit_centres(const TilePool& gathered, const at::Tensor& features, const SelectRequest& request,
                       std::int64_t wanted) {
  const auto& o = request.options.cover;
  const auto asked = std::count_if(gathered.tiles.begin(), gathered.tiles.end(), [](const CoverTile& tile) {
    return tile.state == CoverTile::State::asked;
  });
  std::vector<std::int64_t> all(static_cast<std::size_t>(features.size(0)));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  SeededRng rng(mix64(request.seed ^ 1));
  const auto fitted = sample(std::move(all), o.fit_tiles, rng);
  const auto rows = features.index_select(0, at::tensor(fitted, at::kLong)).to(gathered.device, at::kFloat);
  std::vector<float> weights;
  for (const auto tile : fitted) weights.push_back(gathered.tiles[static_cast<std::size_t>(tile)].weight);
  return cosine_kmeans(rows, {.clusters = std::min<std::int64_t>(asked + wanted, o.max_clusters),
                              .iterations = o.kmeans_iterations,
                              .seed = mix64(request.seed ^ 2),
                              .weight_n = at::tensor(weights).to(gathered.device)});
}

Selection Cover::do_select(PoolView& pool, const SelectRequest& request) {
  const int tile_px = request.options.region_px;
  const auto budget = region_budget(request.budget, tile_px, pool_pixels(pool));
  if (budget.per_frame == 0) return {};
  TilePool gathered;
  if (!gather(pool, request, budget.total, gathered)) return {.regions = {}, .stopped = true};
  if (gathered.tiles.empty()) return {};
  const auto features = at::cat(gathered.features);
  gathered.features.clear();
  weigh_tiles(gathered, request.options.cover.balance);
  const auto centres = fit_centres(gathered, features, request, budget.total);
  cluster_tiles(gathered, features, centres);

  Selection selection;
  const auto chosen =
      choose_cover(gathered.tiles, centres.size(0),
                   {.count = budget.total, .per_frame = budget.per_frame, .seed = request.seed});
  for (std::size_t rank = 0; rank < chosen.size(); ++rank) {
    const auto& tile = gathered.tiles[chosen[rank]];
    const auto frame = static_cast<std::size_t>(tile.frame);
    // The score only orders: 1 for the first asked, falling to 0.
    const double score = 1.0 - static_cast<double>(rank) / static_cast<double>(chosen.size());
    selection.regions.push_back(
        {pool.frame_id(frame), TileGrid(pool.frame_size(frame), tile_px).box(tile.tile), score});
  }
  return selection;
}

}  // namespace

std::unique_ptr<Strategy> make_cover() {
  return std::make_unique<Cover>();
}

}  // namespace driftloop::adapt
