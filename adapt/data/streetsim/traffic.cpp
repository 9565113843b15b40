#include <algorithm>

#include "adapt/data/streetsim/scene.h"

namespace driftloop::adapt::streetsim {
namespace {

constexpr double kBay_m = 6.2;
constexpr float kParking[] = {0.8F, 0.6F, 1.1F, 0.25F};  // by district, on the look's own share

bool in_sight(const Stage& stage, double z) {
  return z > stage.origin_z() - 6 && z < stage.origin_z() + 130;
}

/// Things that move along the street at a share of our own speed. Each lives in a slot of a road that moves
/// with it, so that it stays itself while both of us travel.
struct Stream {
  Topic topic;
  int lane;
  double pace;  // its speed over ours; negative comes towards us
  double slot_m;
  float chance;  // of a slot being taken
};

/// Calls place(z, dice) for every thing of the stream that may be seen.
template <class Place>
void for_each_in(const Stage& stage, const Stream& s, Place&& place) {
  const double drift = s.pace * stage.travelled_m();
  const double near = stage.origin_z() - 8, far = stage.origin_z() + kSight_m;
  const auto first = std::int64_t(std::floor((near - drift) / s.slot_m)),
             last = std::int64_t(std::floor((far - drift) / s.slot_m));
  for (std::int64_t slot = last; slot >= first; --slot) {
    Dice dice(hash_of(stage.plan().seed(), int(s.topic), s.lane, slot));
    const bool taken = dice.chance(s.chance);
    const double z = drift + (double(slot) + 0.25 + 0.5 * double(dice.next())) * s.slot_m;
    if (taken && z > near && z < far) place(z, dice);
  }
}

Vehicle vehicle_of(const Crowd& crowd, Dice& dice) {
  float at = dice.next();
  if ((at -= crowd.truck) < 0) return Vehicle::truck;
  if ((at -= crowd.bus) < 0) return Vehicle::bus;
  if ((at -= crowd.motorcycle) < 0) return Vehicle::motorcycle;
  return Vehicle::car;
}

void draw_lane(Stage& stage, int lane, double pace) {
  const Look& look = stage.look();
  const bool ours = lane == look.layout.lanes - 1 && pace > 0;
  const float sign = pace > 0 ? 1.0F : -1.0F;
  const float middle = sign * (float(lane) + 0.5F) * look.layout.lane_m;
  for_each_in(stage, {Topic::lanes, lane + (pace > 0 ? 0 : 10), pace, 24, look.crowd.traffic},
              [&](double z, Dice dice) {
                const Vehicle kind = vehicle_of(look.crowd, dice);
                float lateral = middle + dice.range(-0.2F, 0.2F);
                // Who drives in our lane has overtaken us.
                if (ours) lateral -= look.layout.lane_m * smooth(float(24 - (z - stage.origin_z())) / 11);
                draw_vehicle(stage, kind, Rider::present, {z, lateral, pace > 0 ? 0 : 3.1416F}, dice);
              });
}

void draw_cyclists(Stage& stage) {
  const Look& look = stage.look();
  const float edge = float(look.layout.lanes) * look.layout.lane_m - 0.35F;
  for (int side = 0; side < 2; ++side)
    for_each_in(stage, {Topic::cyclists, side, side == 0 ? 0.45 : -0.4, 30, look.crowd.cyclists},
                [&](double z, Dice dice) {
                  const float lateral = (side == 0 ? edge : -edge) + dice.range(-0.15F, 0.25F);
                  draw_vehicle(stage, dice.chance(0.85F) ? Vehicle::bicycle : Vehicle::motorcycle,
                               Rider::present, {z, lateral, side == 0 ? 0 : 3.1416F}, dice);
                });
}

}  // namespace

void draw_traffic(Stage& stage) {
  const Look& look = stage.look();
  for (int lane = 0; lane < look.layout.lanes; ++lane) {
    draw_lane(stage, lane, lane == look.layout.lanes - 1 ? 1.25 : 1.4);
    draw_lane(stage, lane, -0.9 - 0.15 * lane);
  }
  draw_cyclists(stage);
  const float inner = -0.5F * look.layout.lane_m;
  for_each_in(stage, {Topic::trains, 0, -0.65, 400, look.crowd.train}, [&](double z, Dice dice) {
    draw_vehicle(stage, Vehicle::train, Rider::present, {z, inner, 3.1416F}, dice);
  });
}

void draw_parked(Stage& stage, const Side& side) {
  const Look& look = stage.look();
  const Block& b = *side.block;
  const std::uint64_t key = side.key(stage.plan(), Topic::parked),
                      racks = side.key(stage.plan(), Topic::racks);
  const bool bays = look.layout.parking_m > 0;
  const float share = bays ? look.crowd.parked * kParking[int(b.district)] * 2 * unit(key) : 0;
  int slot = 0;
  for (double z = b.z0 + 5; z < b.z1 - 10; z += kBay_m, ++slot) {
    if (!in_sight(stage, z)) continue;
    Dice dice(hash_of(key, slot));
    if (dice.chance(share)) {
      const float kind = dice.next();
      const Vehicle vehicle = kind < 0.93F   ? Vehicle::car
                              : kind < 0.96F ? Vehicle::motorcycle
                                             : Vehicle::truck;
      const float lateral = side.sign * (stage.plan().road_half_m() - look.layout.parking_m * 0.48F);
      if (vehicle != Vehicle::truck || stage.plan().road_half_m() > 5)
        draw_vehicle(stage, vehicle, Rider::absent,
                     {z + double(dice.range(-0.4F, 0.4F)), lateral, side.sign > 0 ? 0 : 3.1416F}, dice);
    }
    Dice rack(hash_of(racks, slot));
    if (!rack.chance(0.2F * look.crowd.furniture)) continue;
    const float lateral = side.sign * (stage.plan().road_half_m() + 0.15F + b.verge_m + 0.7F);
    const int count = 1 + rack.pick(3);
    const float yaw = rack.chance(0.5F) ? rack.range(-0.2F, 0.2F) : 1.2F;
    for (int i = 0; i < count; ++i)
      draw_vehicle(stage, rack.chance(0.9F) ? Vehicle::bicycle : Vehicle::motorcycle, Rider::absent,
                   {z + 0.8 * i, lateral, yaw, 0.12F}, Dice(rack.bits()));
  }
}

}  // namespace driftloop::adapt::streetsim
