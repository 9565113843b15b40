#include "adapt/data/streetsim/scene.h"

namespace driftloop::adapt::streetsim {
namespace {

enum class Roof { flat, mansard, gable };

struct House {
  double z0, z1;
  float front, depth, height;  // front: distance of the street wall from the road's middle
  Roof roof;
  Surface wall, tiles;
};

Surface wall_of(const Look& look, Dice& dice, float height, float shops) {
  Surface s{.material = Material::facade, .label = label::building, .colour = dice.of(look.layout.walls)};
  s.colour = s.colour * dice.range(0.85F, 1.1F);
  s.salt = std::uint32_t(dice.bits()) & ~1U;
  if (dice.chance(shops)) s.salt |= 1U;
  s.param[0] = dice.range(1.9F, 3.4F);
  s.param[1] = dice.range(2.9F, 3.5F);
  s.param[2] = dice.range(0.32F, 0.66F);
  s.param[3] = height;
  return s;
}

void cast_shadow(Stage& stage, const Side& side, const House& h) {
  const Vec3 sun = stage.sun();
  const float strength = stage.look().light.shadow;
  if (strength < 0.05F || -sun.x * side.sign >= 0) return;  // falls away from the street
  const float reach = std::min(26.0F, h.height * std::abs(sun.x) / sun.y);
  const float drift = std::clamp(-sun.z / sun.y * h.height, -20.0F, 20.0F);
  const float near = side.sign * h.front, far = side.sign * (h.front - reach);
  stage.patch(stage.at(near, 0, h.z0), stage.at(near, 0, h.z1), stage.at(far, 0, h.z1 + drift),
              stage.at(far, 0, h.z0 + drift), PatchShape::box, PatchKind::shadow, strength);
}

void draw_gable(Stage& stage, const Side& side, const House& h, float rise) {
  const float front = side.sign * (h.front - 0.35F), back = side.sign * (h.front + h.depth);
  const float ridge = side.sign * (h.front + h.depth * 0.5F);
  const auto length = float(h.z1 - h.z0);
  stage.quad(stage.at(front, h.height - 0.2F, h.z0), stage.at(front, h.height - 0.2F, h.z1),
             stage.at(ridge, h.height + rise, h.z1), stage.at(ridge, h.height + rise, h.z0), h.tiles, length,
             h.depth * 0.6F);
  Surface wall = h.wall;
  wall.param[3] = 99;
  const Corner gable[] = {{stage.at(front, h.height, h.z0), 0, h.height},
                          {stage.at(back, h.height, h.z0), h.depth, h.height},
                          {stage.at(ridge, h.height + rise, h.z0), h.depth * 0.5F, h.height + rise}};
  stage.polygon(gable, wall);
}

void draw_house(Stage& stage, const Side& side, const House& h) {
  const float front = side.sign * h.front, back = side.sign * (h.front + h.depth);
  const auto length = float(h.z1 - h.z0);
  stage.quad(stage.at(front, 0, h.z0), stage.at(front, 0, h.z1), stage.at(front, h.height, h.z1),
             stage.at(front, h.height, h.z0), h.wall, length, h.height);
  Surface flank = h.wall;
  flank.salt = (flank.salt + 2) & ~1U;
  stage.quad(stage.at(front, 0, h.z0), stage.at(back, 0, h.z0), stage.at(back, h.height, h.z0),
             stage.at(front, h.height, h.z0), flank, h.depth, h.height);
  if (h.roof == Roof::mansard) {
    const float in = side.sign * (h.front + 1.3F);
    stage.quad(stage.at(front, h.height, h.z0), stage.at(front, h.height, h.z1),
               stage.at(in, h.height + 2.4F, h.z1), stage.at(in, h.height + 2.4F, h.z0), h.tiles, length,
               2.7F);
    stage.quad(stage.at(front, h.height, h.z0), stage.at(back, h.height, h.z0),
               stage.at(back, h.height + 2.4F, h.z0), stage.at(in, h.height + 2.4F, h.z0), h.tiles, h.depth,
               2.7F);
  } else if (h.roof == Roof::gable) {
    draw_gable(stage, side, h, h.depth * 0.32F);
  }
  cast_shadow(stage, side, h);
}

/// The line between sidewalk and lot: fence, wall, hedge or nothing.
void draw_front_line(Stage& stage, float lateral, double z0, double z1, Dice dice) {
  const float kind = dice.next();
  const std::uint32_t salt = std::uint32_t(dice.bits());
  const Rgb wood = mix(Rgb{0.45F, 0.34F, 0.24F}, Rgb{0.85F, 0.84F, 0.8F}, dice.next());
  if (kind < 0.3F) {
    Surface s{.material = Material::planks, .label = label::fence, .colour = wood, .salt = salt};
    draw_panels(stage, lateral, z0, z1, dice.range(0.9F, 1.7F), s);
  } else if (kind < 0.5F) {
    const float height = dice.range(1.0F, 1.6F);
    Surface s{.cutout = Cutout::bars, .label = label::fence, .colour = wood * 0.4F, .salt = salt};
    s.param[0] = height;
    draw_panels(stage, lateral, z0, z1, height, s);
  } else if (kind < 0.74F) {
    const Rgb stone = mix(Rgb{0.55F, 0.36F, 0.28F}, Rgb{0.62F, 0.6F, 0.56F}, dice.next());
    Surface s{.material = Material::brick, .label = label::wall, .colour = stone, .salt = salt};
    draw_panels(stage, lateral, z0, z1, dice.range(0.8F, 2.0F), s);
  } else if (kind < 0.95F) {
    draw_hedge(stage, lateral, z0, z1, dice.range(0.8F, 1.7F), dice.bits());
  }
}

struct LotKind {
  float length_low, length_high, gap, height_low, height_high, open;  // open: share of lots without a house
  float shops, gable, mansard;
};

constexpr LotKind kLots[] = {
    {10, 17, 4.5F, 4.5F, 8.5F, 0.14F, 0.02F, 0.85F, 0.05F},  // residential
    {13, 24, 0.4F, 12, 21, 0.16F, 0.3F, 0.1F, 0.55F},        // boulevard
    {11, 26, 0.0F, 9, 28, 0.08F, 0.8F, 0.05F, 0.25F},        // commercial
    {14, 30, 7.0F, 4, 9, 0.68F, 0.04F, 0.6F, 0.0F},          // edge of town
};

void draw_open_lot(Stage& stage, const Side& side, double z0, double z1, Dice dice) {
  const float front = stage.plan().front_m(*side.block);
  draw_front_line(stage, side.sign * (front - side.block->setback_m + 0.3F), z0, z1, Dice(dice.bits()));
  const int trees = 2 + dice.pick(4);
  for (int i = 0; i < trees; ++i) {
    const double z = z0 + (z1 - z0) * double(dice.next());
    const float lateral = side.sign * (front + dice.range(0, 16));
    Dice own(dice.bits());
    if (z > stage.origin_z()) draw_tree(stage, {z, lateral, 0, 0.1F}, own);
  }
  if (dice.chance(0.5F))
    draw_hedge(stage, side.sign * (front + 18), z0, z1, dice.range(1.5F, 3.5F), dice.bits());
}

void draw_lot(Stage& stage, const Side& side, double z0, double z1, Dice dice) {
  const LotKind& kind = kLots[int(side.block->district)];
  if (dice.chance(kind.open)) return draw_open_lot(stage, side, z0, z1, dice);
  const Look& look = stage.look();
  House h{};
  h.z0 = z0, h.z1 = z1 - double(kind.gap * dice.range(0.5F, 1.2F));
  h.front = stage.plan().front_m(*side.block) + (side.block->setback_m > 0 ? dice.range(-1, 2.5F) : 0);
  h.height = dice.range(kind.height_low, kind.height_high) * look.layout.height_scale;
  h.depth = dice.range(8, 12);
  h.roof = dice.chance(kind.gable) ? Roof::gable : dice.chance(kind.mansard) ? Roof::mansard : Roof::flat;
  h.wall = wall_of(look, dice, h.height, kind.shops);
  h.tiles = {.material = Material::roof,
             .label = label::building,
             .colour = dice.of(look.layout.roofs),
             .salt = std::uint32_t(dice.bits())};
  draw_house(stage, side, h);
  const float line = stage.plan().front_m(*side.block) - side.block->setback_m + 0.3F;
  if (side.block->setback_m < 2) return;
  draw_front_line(stage, side.sign * line, z0, z1 - 2.5, Dice(dice.bits()));
  for (int i = dice.pick(3); i > 0; --i) {
    Dice own(dice.bits());
    const Pose pose{z0 + (z1 - z0) * double(dice.next()), side.sign * (line + dice.range(1, 2.5F)), 0, 0.12F};
    if (dice.chance(0.4F * look.crowd.trees)) draw_tree(stage, pose, own);
  }
}

}  // namespace

void draw_panels(Stage& stage, float lateral, double z0, double z1, float height_m, const Surface& surface) {
  constexpr double kPanel_m = 8;
  for (double z = z0; z < z1; z += kPanel_m) {
    const double end = std::min(z1, z + kPanel_m);
    if (end < stage.origin_z() || z > stage.origin_z() + kSight_m) continue;
    stage.quad(stage.at(lateral, 0, z), stage.at(lateral, 0, end), stage.at(lateral, height_m, end),
               stage.at(lateral, height_m, z), surface, float(end - z), height_m);
  }
}

void draw_buildings(Stage& stage, const Side& side) {
  const LotKind& kind = kLots[int(side.block->district)];
  Dice dice(side.key(stage.plan(), Topic::lots));
  double z = side.block->z0 + 1;
  while (z < side.block->z1 - 5) {
    double end = z + double(dice.range(kind.length_low, kind.length_high));
    if (end > side.block->z1 - 6) end = side.block->z1 - 1;
    Dice own(dice.bits());
    if (end > stage.origin_z() - 25 && z < stage.origin_z() + kSight_m) draw_lot(stage, side, z, end, own);
    z = end;
  }
}

}  // namespace driftloop::adapt::streetsim
