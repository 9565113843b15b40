#include "adapt/data/streetsim/scene.h"

namespace driftloop::adapt::streetsim {
namespace {

constexpr Rgb kSteel{0.42F, 0.43F, 0.44F}, kGreen{0.1F, 1.1F, 0.5F}, kRed{1.3F, 0.1F, 0.08F};

Surface pole_surface(Rgb colour) {
  return {.material = Material::round, .label = label::pole, .colour = colour};
}

bool in_sight(const Stage& stage, double z) {
  return z > stage.origin_z() && z < stage.origin_z() + kSight_m;
}

void draw_lamp(Stage& stage, const Pose& pose, float sign) {
  const Frame f = stage.frame(pose);
  const Surface steel = pole_surface(kSteel);
  const float height = 7.2F;
  stage.stick(f.origin, f.at(0, height, 0), 0.2F, 0.12F, steel);
  const Vec3 head = f.at(-sign * 1.8F, height + 0.35F, 0);
  stage.stick(f.at(0, height, 0), head, 0.1F, 0.09F, steel);
  stage.stick(head, f.at(-sign * 2.4F, height + 0.3F, 0), 0.2F, 0.2F, steel);
  const float lamps = stage.look().light.lamps;
  if (lamps <= 0) return;
  Surface glow{.material = Material::lamp, .label = label::pole, .colour = Rgb{1.9F, 1.45F, 0.8F} * lamps};
  stage.disc(f.at(-sign * 2.1F, height + 0.22F, -0.1F), 0.34F, 0.14F, glow);
  const auto spot = [&](float r, double along) {
    return stage.at(pose.lateral - sign * 2 + r, 0, pose.z + along);
  };
  stage.patch(spot(-6, -7), spot(6, -7), spot(6, 7), spot(-6, 7), PatchShape::blob, PatchKind::lamp,
              0.5F * lamps);
}

void draw_sign(Stage& stage, const Pose& pose, Dice dice) {
  const Frame f = stage.frame(pose);
  const float height = dice.range(2.1F, 2.8F);
  stage.stick(f.origin, f.at(0, height + 0.3F, 0), 0.07F, 0.07F, pole_surface(kSteel * 1.2F));
  constexpr Rgb kColours[] = {
      {0.78F, 0.1F, 0.1F}, {0.1F, 0.25F, 0.65F}, {0.9F, 0.72F, 0.12F}, {0.1F, 0.42F, 0.25F}};
  Surface s{.material = Material::sign,
            .label = label::sign,
            .colour = kColours[dice.pick(4)],
            .salt = std::uint32_t(dice.bits())};
  s.param[0] = dice.chance(0.5F) ? 1 : 0;
  const float kind = dice.next();
  if (kind < 0.55F) {
    stage.disc(f.at(0, height, -0.06F), 0.36F, 0.36F, s);
    if (dice.chance(0.3F)) stage.disc(f.at(0, height - 0.75F, -0.06F), 0.34F, 0.34F, s);
    return;
  }
  const float w = kind < 0.8F ? 0.36F : dice.range(0.6F, 1.1F), h = kind < 0.8F ? 0.36F : 0.3F;
  stage.quad(f.at(-w, height - h, -0.06F), f.at(w, height - h, -0.06F), f.at(w, height + h, -0.06F),
             f.at(-w, height + h, -0.06F), s);
}

void draw_signal(Stage& stage, Vec3 top_centre, bool go) {
  const Surface box{.label = label::light, .colour = {0.09F, 0.1F, 0.09F}};
  const float w = 0.19F, h = 0.48F;
  stage.quad(top_centre + Vec3{-w, -h, 0}, top_centre + Vec3{w, -h, 0}, top_centre + Vec3{w, h, 0},
             top_centre + Vec3{-w, h, 0}, box);
  for (int i = -1; i <= 1; ++i) {
    const bool on = (i == 1 && !go) || (i == -1 && go);
    Surface lens{.material = on ? Material::lamp : Material::flat,
                 .label = label::light,
                 .colour = {0.16F, 0.16F, 0.14F}};
    if (on) lens.colour = go ? kGreen : kRed;
    stage.disc(top_centre + Vec3{0, 0.31F * float(i), -0.03F}, 0.13F, 0.13F, lens);
  }
}

void draw_signals(Stage& stage, const Block& b) {
  Dice dice(hash_of(stage.plan().seed(), int(Topic::lights), b.index));
  if (!dice.chance(b.district == District::residential || b.district == District::edge ? 0.45F : 0.9F))
    return;
  const bool go = dice.chance(0.6F);
  const float half = stage.plan().road_half_m();
  const bool overhead = dice.chance(stage.look().layout.overhead_lights);
  const Surface post = pole_surface(kSteel * 0.8F);
  for (float sign : {-1.0F, 1.0F}) {
    const double z = sign > 0 && !overhead ? b.z1 - 1.2 : b.next_z0 + 0.8;
    if (!in_sight(stage, z)) continue;
    const Frame f = stage.frame({z, sign * (half + 0.5F), 0, 0.12F});
    const float height = overhead ? 5.6F : 3.3F;
    stage.stick(f.origin, f.at(0, height, 0), 0.14F, 0.12F, post);
    if (!overhead || sign < 0) {
      draw_signal(stage, f.at(0, 2.75F, -0.12F), go);
      continue;
    }
    stage.stick(f.at(0, height, 0), f.at(-half * 1.1F, height + 0.3F, 0), 0.13F, 0.09F, post);
    for (int lane = 0; lane <= stage.look().layout.lanes; ++lane)
      draw_signal(stage, f.at(-1.6F - float(lane) * stage.look().layout.lane_m, height - 0.35F, -0.12F), go);
  }
}

/// Some wait at the corners, some step off the road as we come.
void draw_corner_people(Stage& stage, const Block& b) {
  const Plan& plan = stage.plan();
  for (int i = 0; i < 3; ++i) {
    Dice dice(hash_of(plan.seed(), int(Topic::crossers), b.index, i));
    const double z = b.z1 - 4.6 + double(dice.range(0, 2.2F)), gap = z - stage.origin_z();
    const float sign = dice.chance(0.5F) ? 1.0F : -1.0F;
    const bool walks = dice.chance(0.45F * stage.look().crowd.people);
    const auto walked = float(std::max(0.0, gap - 6)) * dice.range(0.1F, 0.2F);
    if (!walks || !in_sight(stage, z)) continue;
    const float lateral = sign * (plan.road_half_m() + 0.6F - walked);
    draw_person(stage, {z, lateral, sign * 1.5708F, std::abs(lateral) > plan.road_half_m() ? 0.12F : 0}, dice,
                walked * 1.6F);
  }
  for (int i = 0; i < 8; ++i) {
    Dice dice(hash_of(plan.seed(), int(Topic::crossers), b.index, 10 + i));
    const double z = (i % 2 == 0 ? b.z1 - 0.8 : b.next_z0 + 0.8) + double(dice.range(-1, 1)) * 0.7;
    const float lateral = (i % 4 < 2 ? 1.0F : -1.0F) * (plan.road_half_m() + dice.range(0.5F, 2.2F));
    const bool stands = dice.chance(0.33F * stage.look().crowd.people);
    if (stands && in_sight(stage, z)) draw_person(stage, {z, lateral, dice.range(-3, 3), 0.12F}, dice, 0.1F);
  }
}

}  // namespace

void draw_furniture(Stage& stage, const Side& side) {
  const float kerb = stage.plan().road_half_m() + 0.5F;
  const std::uint64_t lamps = side.key(stage.plan(), Topic::lamps),
                      signs = side.key(stage.plan(), Topic::signs);
  const double shift = 12 * double(unit(lamps));
  for (double z = side.block->z0 + 2 + shift; z < side.block->z1 - 3; z += 25)
    if (in_sight(stage, z)) draw_lamp(stage, {z, side.sign * kerb, 0, 0.12F}, side.sign);
  int slot = 0;
  for (double z = side.block->z0 + 1.5; z < side.block->z1 - 1; z += 8, ++slot) {
    Dice dice(hash_of(signs, slot));
    const float kind = dice.next() / std::max(0.05F, stage.look().crowd.furniture);
    const Pose pose{z, side.sign * kerb, 0, 0.12F};
    if (!in_sight(stage, z)) continue;
    if (kind < 0.24F) {
      draw_sign(stage, pose, dice);
    } else if (kind < 0.4F) {
      const Frame f = stage.frame(pose);
      for (int i = 0; i < 4; ++i)
        stage.stick(f.at(0, 0, float(i) * 1.5F), f.at(0, 0.9F, float(i) * 1.5F), 0.14F, 0.12F,
                    pole_surface({0.2F, 0.2F, 0.22F}));
    } else if (kind < 0.48F) {
      const Frame f = stage.frame(pose);
      stage.stick(f.origin, f.at(0, 8.5F, 0), 0.24F, 0.16F, pole_surface({0.36F, 0.28F, 0.2F}));
      stage.stick(f.at(-0.9F, 7.8F, 0), f.at(0.9F, 7.8F, 0), 0.1F, 0.1F, pole_surface({0.36F, 0.28F, 0.2F}));
    } else if (kind < 0.55F && side.block->district != District::residential) {
      Surface rail{.cutout = Cutout::bars, .label = label::fence, .colour = {0.5F, 0.52F, 0.54F}};
      rail.param[0] = 1;
      draw_panels(stage, side.sign * (kerb - 0.2F), z, z + 7.9, 1.05F, rail);
    }
  }
}

void draw_crossing(Stage& stage, const Block& b) {
  draw_signals(stage, b);
  const Plan& plan = stage.plan();
  const std::uint64_t key = hash_of(plan.seed(), int(Topic::waiting), b.index);
  for (int i = 0; i < 6; ++i) {
    Dice dice(hash_of(key, i));
    if (!dice.chance(0.42F)) continue;
    const float sign = i % 2 == 0 ? 1.0F : -1.0F;
    const float kind = dice.next();
    const Vehicle vehicle = kind < 0.72F   ? Vehicle::car
                            : kind < 0.84F ? Vehicle::truck
                            : kind < 0.93F ? Vehicle::bus
                                           : Vehicle::motorcycle;
    const float length = vehicle == Vehicle::bus ? 5.5F : 2.5F;
    // They wait for us, nose to the street, keeping right.
    const float lateral = sign * (plan.road_half_m() + 1.5F + length + float(i / 2) * 9);
    const double z = b.z1 + (sign > 0 ? 6.5 : 2.5);
    if (!in_sight(stage, z)) continue;
    draw_vehicle(stage, vehicle, Rider::present, {z, lateral, -sign * 1.5708F}, dice);
  }
  draw_corner_people(stage, b);
}

}  // namespace driftloop::adapt::streetsim
