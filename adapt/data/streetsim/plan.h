// The street on paper: its curve, its blocks between crossings, what kind of district each block is and how
// wide things are there. Metres; z along the drive, lateral to the right of the road's middle.
#pragma once
#include <cstdint>

#include "adapt/data/streetsim/look.h"

namespace driftloop::adapt::streetsim {

enum class District : std::uint8_t { residential, boulevard, commercial, edge };

/// One block of the street, from the end of a crossing to the start of the next.
struct Block {
  std::int64_t index;
  double z0, z1;   // the next crossing begins at z1
  double next_z0;  // and ends here
  District district;
  float verge_m;  // grass between kerb and sidewalk
  float sidewalk_m;
  float setback_m;  // from sidewalk to the usual front
};

class Plan {
 public:
  Plan(const Look& look, std::int64_t seed);

  float centre(double z) const;  // lateral offset of the road's middle from a straight line
  float slope(double z) const;   // its derivative

  Block block(std::int64_t index) const;
  std::int64_t block_at(double z) const;  // the crossing that ends a block belongs to it

  float road_half_m() const { return road_half_; }
  float ego_lateral_m() const { return ego_; }
  /// From the middle of the road to the usual house front.
  float front_m(const Block& block) const {
    return road_half_ + block.verge_m + block.sidewalk_m + block.setback_m;
  }
  std::uint64_t seed() const { return seed_; }

 private:
  double crossing_start(std::int64_t index) const;

  const Look* look_;
  std::uint64_t seed_;
  float road_half_, ego_;
  float phase_[3];
};

}  // namespace driftloop::adapt::streetsim
