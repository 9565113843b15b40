// What the strategies share that compare the tiles of the whole pool by the teacher's features: which tiles
// are kept, and what is kept of them. A frame's scan: its tiles that are kept (all, or a sample where the
// pool has more than max_tiles), with feature (half precision), predicted class and place: 2 x D + 6 bytes a
// tile.
#pragma once
#include <string>
#include <vector>

#include "adapt/acquisition/region_budget.h"
#include "adapt/acquisition/strategy.h"
#include "adapt/acquisition/tile_features.h"
#include "config/random.h"

namespace driftloop::adapt {

/// A tile of the pool: the frame's number, the tile's in that frame's grid, and whether something was asked
/// there.
struct PoolTile {
  std::int64_t frame, tile;
  bool asked;
};

struct TileOptions {
  std::string features;    // "decoder" or "backbone"
  std::int64_t max_tiles;  // over the pool, of the open and of the asked ones each; at least 2 a region asked
  bool margins = false;    // how sure the net is of a tile is kept, too: 2 bytes a tile
};

class TileChoice : public Choice {
 public:
  TileChoice(const TileOptions& options, const PoolFacts& facts, const SelectRequest& request,
             const RegionBudget& budget);
  std::optional<Want> wants(std::size_t index) const final;
  Scan observe(std::size_t index, const Prediction& prediction) const final;
  void take(std::size_t index, Scan scan) final;

 protected:
  TileGrid grid(std::size_t index) const { return {facts_.frame_size(index), request_.region_px}; }
  /// Regions that may still be asked of each frame.
  std::vector<std::int64_t> left_of_frames() const;
  /// In the order of the pool. The features, (tiles, D) in half precision on the CPU, are given away.
  at::Tensor take_features();
  /// (tiles) int64: as predicted.
  at::Tensor classes() const;
  /// (tiles) float, 0 = sure: the mean margin (pixel_maps.h) over each, where TileOptions asks for it.
  at::Tensor margins() const;
  /// These tiles, most wanted first, as regions whose score only orders: 1 for the first, falling to 0.
  std::vector<Region> regions_of(const std::vector<std::size_t>& chosen) const;

  const PoolFacts& facts_;
  const SelectRequest& request_;
  RegionBudget budget_;
  std::vector<PoolTile> tiles_;

 private:
  struct TileCount {
    std::int64_t open = 0;
    std::int64_t asked = 0;
  };
  void share_tiles();

  TileOptions options_;
  std::vector<TileCount> keep_;       // of each frame
  std::vector<at::Tensor> features_;  // one (tiles of the frame, D) a frame
  std::vector<at::Tensor> classes_;   // one (tiles of the frame) a frame
  std::vector<at::Tensor> margins_;   // the same
};

/// `keep` of the numbers in `from`, chosen at random, in their order.
std::vector<std::int64_t> sample(std::vector<std::int64_t> from, std::int64_t keep, config::Random& rng);

}  // namespace driftloop::adapt
