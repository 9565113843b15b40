// Which tiles `cover` asks, once every tile has its cluster: no tensors, no pool.
#pragma once
#include <cstdint>
#include <vector>

namespace driftloop::adapt {

struct CoverTile {
  std::int64_t frame;  // index in the pool
  std::int64_t tile;   // index in the frame's grid
  std::int64_t cluster;
  float similarity;  // to the cluster's centre
  float weight = 1;  // what it adds to the mass of its cluster
  enum class State : std::uint8_t { open, asked } state = State::open;
};

struct CoverLimits {
  std::int64_t count;                  // tiles to ask
  std::vector<std::int64_t> of_frame;  // of each frame, by its index
  std::uint64_t seed;
  bool draw_by_weight = false;  // within a cluster, not only between them
};

/// Indices into `tiles`, in the order they are to be asked. First the uncovered clusters (those without an
/// asked tile), the heaviest first, one tile each: the nearest to the centre. While tiles are wanted, the
/// next goes to the cluster with the largest mass / (asked + 1), so that asking follows mass; after the
/// nearest, a cluster gives its tiles at random (equal chances, or by weight), since the next nearest ones
/// are often the same thing in the next video frame. Always `count`, unless the open tiles or the frames'
/// limits run out.
std::vector<std::size_t> choose_cover(const std::vector<CoverTile>& tiles, std::int64_t clusters,
                                      const CoverLimits& limits);

}  // namespace driftloop::adapt
