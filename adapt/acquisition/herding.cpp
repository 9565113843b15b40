// herding: the tiles that cover the pool's features best (max_herding.h), what was asked before covering its
// share. Over the whole pool at once; the published two-stage work herds within each image first, which
// spares memory and time but not clicks. Points and candidates are drawn from the tiles where these are many.
#include "adapt/acquisition/herding.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "adapt/acquisition/max_herding.h"
#include "adapt/acquisition/tile_choice.h"
#include "adapt/acquisition/window_strategy.h"

namespace driftloop::adapt {
namespace {

class HerdingChoice final : public TileChoice {
 public:
  HerdingChoice(const HerdingOptions& options, const PoolFacts& facts, const SelectRequest& request,
                const RegionBudget& budget)
      : TileChoice({options.features, options.max_tiles}, facts, request, budget), options_(options) {}

  std::vector<Region> choose() override {
    if (tiles_.empty()) return {};
    const auto features = take_features();
    std::vector<std::int64_t> open, asked, all;
    for (std::int64_t i = 0; i < std::ssize(tiles_); ++i) {
      (tiles_[static_cast<std::size_t>(i)].asked ? asked : open).push_back(i);
      all.push_back(i);
    }
    config::Random rng(config::mix64(request_.seed ^ 1));
    const auto rows = [&](const std::vector<std::int64_t>& of) {
      return features.index_select(0, at::tensor(of, at::kLong)).to(facts_.device(), at::kFloat);
    };
    const auto points = rows(sample(std::move(all), options_.points, rng));
    const auto candidates =
        sample(std::move(open), std::max<std::int64_t>(options_.points, 2 * budget_.total), rng);
    auto left = left_of_frames();
    const auto frame_has_left = [&](std::int64_t candidate) {
      const auto tile = static_cast<std::size_t>(candidates[static_cast<std::size_t>(candidate)]);
      auto& of_frame = left[static_cast<std::size_t>(tiles_[tile].frame)];
      return of_frame > 0 && of_frame-- > 0;
    };
    const auto taken = max_herding({.point_nd = points,
                                    .candidate_md = rows(candidates),
                                    .taken_kd = rows(asked),
                                    .sigma = options_.sigma,
                                    .count = budget_.total,
                                    .may_take = frame_has_left,
                                    .before_step = [&] {
                                      if (request_.progress) request_.progress(facts_.size());
                                      return !request_.stop.stop_requested();
                                    }});
    std::vector<std::size_t> chosen;
    for (const auto candidate : taken)
      chosen.push_back(static_cast<std::size_t>(candidates[static_cast<std::size_t>(candidate)]));
    return regions_of(chosen);
  }

 private:
  const HerdingOptions& options_;
};

class Herding final : public Strategy {
 public:
  explicit Herding(const HerdingOptions& options) : options_(options) {}

 private:
  std::unique_ptr<Choice> begin(const PoolFacts& facts, const SelectRequest& request) override {
    const auto budget = region_budget(request.budget, request.region_px, pool_pixels(facts));
    if (budget.per_frame == 0) return nullptr;
    return std::make_unique<HerdingChoice>(options_, facts, request, budget);
  }

  HerdingOptions options_;
};

}  // namespace

void describe(config::Fields& f, HerdingOptions& o) {
  f.choice("features", o.features, {"decoder", "backbone"}, "by what tiles are alike, as for cover");
  f.field("sigma", o.sigma, {1e-3, 1e3},
          "width of the Gaussian kernel between unit features; smaller = a tile covers only its likes");
  f.field("points", o.points, {1, 10'000'000},
          "tiles that are to be covered, and, where no more are asked, that are candidates: drawn from all");
  f.field(
      "max_tiles", o.max_tiles, {1, 100'000'000},
      "tiles kept as candidates over the whole pool, at least 2 per region asked; 2 bytes a channel each");
}

std::unique_ptr<Strategy> make_herding(const HerdingOptions& options) {
  return std::make_unique<Herding>(options);
}

}  // namespace driftloop::adapt
