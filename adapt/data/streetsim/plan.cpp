#include "adapt/data/streetsim/plan.h"

namespace driftloop::adapt::streetsim {
namespace {

constexpr double kBlock_m = 92, kCrossing_m = 9;
enum Topic : int { kCurve = 1, kBlocks, kDistricts };

}  // namespace

Plan::Plan(const Look& look, std::int64_t seed)
    : look_(&look), seed_(hash_of(std::uint64_t(seed), look.layout.country)) {
  const Layout& l = look.layout;
  road_half_ = float(l.lanes) * l.lane_m + l.parking_m;
  ego_ = (float(l.lanes) - 0.5F) * l.lane_m;
  for (int i = 0; i < 3; ++i) phase_[i] = 6.283F * unit(hash_of(seed_, kCurve, i));
}

float Plan::centre(double z) const {
  return float(9.0 * std::sin(z / 310 + phase_[0]) + 4.0 * std::sin(z / 137 + phase_[1]) +
               0.9 * std::sin(z / 61 + phase_[2]));
}

float Plan::slope(double z) const {
  return float(9.0 / 310 * std::cos(z / 310 + phase_[0]) + 4.0 / 137 * std::cos(z / 137 + phase_[1]) +
               0.9 / 61 * std::cos(z / 61 + phase_[2]));
}

double Plan::crossing_start(std::int64_t index) const {
  return kBlock_m * double(index) + 24 * double(unit(hash_of(seed_, kBlocks, index)));
}

std::int64_t Plan::block_at(double z) const {
  const auto guess = std::int64_t(std::floor(z / kBlock_m));
  return z >= crossing_start(guess) + kCrossing_m ? guess : guess - 1;
}

Block Plan::block(std::int64_t index) const {
  Block b{index, crossing_start(index) + kCrossing_m, crossing_start(index + 1), 0, {}, 0, 0, 0};
  b.next_z0 = b.z1 + kCrossing_m;
  const auto stretch = index >= 0 ? index / 2 : (index - 1) / 2;  // a district is two blocks long
  Dice dice(hash_of(seed_, kDistricts, stretch));
  float total = 0;
  for (float share : look_->layout.districts) total += share;
  float at = dice.next() * total;
  int kind = 0;
  while (kind < 3 && at >= look_->layout.districts[std::size_t(kind)])
    at -= look_->layout.districts[std::size_t(kind++)];
  b.district = District(kind);
  const float wide = look_->layout.sidewalk_m;
  switch (b.district) {
    case District::residential:
      b.verge_m = dice.chance(0.4F) ? 1.5F : 0, b.sidewalk_m = wide * 0.85F, b.setback_m = 4;
      break;
    case District::boulevard:
      b.verge_m = 2.6F, b.sidewalk_m = wide * 1.1F, b.setback_m = 1;
      break;
    case District::commercial:
      b.sidewalk_m = wide * 1.35F;
      break;
    case District::edge:
      b.verge_m = 3.5F, b.sidewalk_m = wide * 0.65F, b.setback_m = 7;
      break;
  }
  return b;
}

}  // namespace driftloop::adapt::streetsim
