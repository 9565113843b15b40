#include "adapt/acquisition/tile_choice.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <opencv2/core.hpp>

#include "adapt/acquisition/pixel_maps.h"

namespace driftloop::adapt {
namespace {

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

}  // namespace

std::vector<std::int64_t> sample(std::vector<std::int64_t> from, std::int64_t keep, config::Random& rng) {
  if (static_cast<std::int64_t>(from.size()) <= keep) return from;
  rng.shuffle(from);
  from.resize(static_cast<std::size_t>(std::max<std::int64_t>(keep, 0)));
  std::sort(from.begin(), from.end());
  return from;
}

TileChoice::TileChoice(const TileOptions& options, const PoolFacts& facts, const SelectRequest& request,
                       const RegionBudget& budget)
    : facts_(facts), request_(request), budget_(budget), options_(options) {
  share_tiles();
}

/// How many tiles of each frame are kept. All frames count, gone ones too: the others' scans must not depend
/// on it.
void TileChoice::share_tiles() {
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

std::optional<Want> TileChoice::wants(std::size_t index) const {
  const auto& keep = keep_[index];
  if (keep.open <= 0 && keep.asked <= 0) return std::nullopt;
  return options_.features == "backbone" ? Want::probabilities_and_backbone
                                         : Want::probabilities_and_features;
}

Scan TileChoice::observe(std::size_t index, const Prediction& prediction) const {
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
  Scan scan{
      {"tile", tile.to(at::kInt)},
      {"asked", state},
      {"feature",
       tile_features(prediction.feature_dhw, grid(index)).index_select(0, rows).to(at::kCPU, at::kHalf)},
      {"class", tile_classes(prediction, grid(index)).index_select(0, rows).to(at::kCPU, at::kByte)}};
  if (options_.margins)
    scan["margin"] = tile_means(pixel_maps(prediction, Map::margin).margin_hw, grid(index))
                         .index_select(0, rows)
                         .to(at::kCPU, at::kHalf);
  return scan;
}

void TileChoice::take(std::size_t index, Scan scan) {
  if (scan.empty()) return;
  const auto* tile = scan.at("tile").const_data_ptr<int>();
  const auto* asked = scan.at("asked").const_data_ptr<std::uint8_t>();
  for (std::int64_t t = 0; t < scan.at("tile").numel(); ++t)
    tiles_.push_back({.frame = static_cast<std::int64_t>(index), .tile = tile[t], .asked = asked[t] != 0});
  features_.push_back(scan.at("feature"));
  classes_.push_back(scan.at("class"));
  if (options_.margins) margins_.push_back(scan.at("margin"));
}

std::vector<std::int64_t> TileChoice::left_of_frames() const {
  std::vector<std::int64_t> left;
  for (std::size_t i = 0; i < facts_.size(); ++i)
    left.push_back(regions_left(request_.budget, budget_, request_.region_px, facts_.asked_px(i)));
  return left;
}

at::Tensor TileChoice::take_features() {
  const auto all = at::cat(features_);
  features_.clear();
  return all;
}

at::Tensor TileChoice::classes() const {
  return at::cat(classes_).to(at::kLong);
}

at::Tensor TileChoice::margins() const {
  return at::cat(margins_).to(at::kFloat);
}

std::vector<Region> TileChoice::regions_of(const std::vector<std::size_t>& chosen) const {
  std::vector<Region> regions;
  for (std::size_t rank = 0; rank < chosen.size(); ++rank) {
    const auto& tile = tiles_[chosen[rank]];
    const auto frame = static_cast<std::size_t>(tile.frame);
    const double score = 1.0 - static_cast<double>(rank) / static_cast<double>(chosen.size());
    regions.push_back({facts_.frame_id(frame), grid(frame).box(tile.tile), score});
  }
  return regions;
}

}  // namespace driftloop::adapt
