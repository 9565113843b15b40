#include "adapt/data/streetsim/scene.h"

namespace driftloop::adapt::streetsim {
namespace {

constexpr float kTreeShare[] = {0.42F, 0.95F, 0.2F, 0.4F};  // by district, per slot
constexpr double kTreeSlot_m = 8.5;

Surface leaves_of(const Look& look, Dice& dice) {
  Surface s{.material = Material::foliage, .cutout = Cutout::crown, .label = label::vegetation};
  const Rgb yellow{0.46F, 0.44F, 0.16F}, dark{0.12F, 0.24F, 0.12F};
  s.colour = mix(look.layout.leaves, dice.chance(0.5F) ? yellow : dark, dice.range(0, 0.45F));
  return s;
}

}  // namespace

void draw_tree(Stage& stage, const Pose& pose, Dice dice) {
  const Frame f = stage.frame(pose);
  const float height = dice.range(5, 11.5F), crown = height * dice.range(0.27F, 0.37F);
  const float stem = height - 1.7F * crown, girth = 0.05F * height * dice.range(0.7F, 1.2F);
  if (f.origin.z < 0.4F || std::abs(f.origin.x) > f.origin.z * 1.2F + crown + 4) return;
  const Surface bark{
      .material = Material::round, .label = label::vegetation, .colour = {0.27F, 0.22F, 0.17F}};
  Surface leaves = leaves_of(stage.look(), dice);
  const Rgb colour = leaves.colour;
  const Vec3 middle = f.at(0, height - crown, 0);
  stage.stick(f.origin, f.at(0, stem + crown * 0.5F, 0), girth, girth * 0.6F, bark);
  for (int i = 0; i < 3; ++i)
    stage.stick(f.at(0, stem * 0.9F, 0),
                f.at(dice.range(-0.6F, 0.6F) * crown, stem + crown * 0.7F, dice.range(-0.5F, 0.5F) * crown),
                girth * 0.5F, girth * 0.2F, bark);
  const int clumps = f.origin.z > 70 ? 5 : f.origin.z > 35 ? 10 : 16;
  for (int i = 0; i < clumps; ++i) {
    const float turn = dice.range(0, 6.283F), out = crown * dice.range(0.1F, 0.72F);
    const Vec3 place{out * std::cos(turn), crown * dice.range(-0.6F, 0.62F), out * std::sin(turn)};
    const float radius = crown * dice.range(0.34F, 0.62F);
    leaves.salt = std::uint32_t(dice.bits());
    leaves.colour = colour * (0.86F + 0.3F * (place.y / crown) + dice.range(-0.1F, 0.1F));
    stage.disc(middle + place, radius * 1.1F, radius, leaves);
  }
  if (f.origin.z > 80) return;
  const Vec3 sun = stage.sun();
  const float reach = (height - crown) / sun.y;
  const auto shade = [&](float r, float along) {
    return stage.at(pose.lateral - sun.x * reach + r, 0, pose.z - double(sun.z * reach) + double(along));
  };
  const float w = crown * 1.25F, l = crown * 1.25F;
  stage.patch(shade(-w, -l), shade(w, -l), shade(w, l), shade(-w, l), PatchShape::leaves, PatchKind::shadow,
              std::max(0.12F, stage.look().light.shadow));
}

void draw_hedge(Stage& stage, float lateral, double z0, double z1, float height_m, std::uint64_t key) {
  Dice dice(key);
  Surface s = leaves_of(stage.look(), dice);
  const Rgb colour = s.colour * 0.9F;
  for (double z = z0; z < z1; z += 1.6) {
    s.salt = std::uint32_t(dice.bits());
    s.colour = colour * dice.range(0.85F, 1.1F);
    const float swell = dice.range(0.9F, 1.15F);
    if (z < stage.origin_z() || z > stage.origin_z() + kSight_m) continue;
    const Vec3 p = stage.at(lateral, height_m * 0.42F, z);
    if (std::abs(p.x) < p.z * 1.2F + 3) stage.disc(p, 1.35F, height_m * 0.68F * swell, s);
  }
}

void draw_greenery(Stage& stage, const Side& side) {
  const float share = kTreeShare[int(side.block->district)] * stage.look().crowd.trees;
  const float lateral =
      stage.plan().road_half_m() + (side.block->verge_m > 0 ? side.block->verge_m * 0.55F : 0.75F);
  const std::uint64_t key = side.key(stage.plan(), Topic::trees);
  int slot = 0;
  for (double z = side.block->z0 + 4; z < side.block->z1 - 8; z += kTreeSlot_m, ++slot) {
    Dice dice(hash_of(key, slot));
    if (!dice.chance(share) || z < stage.origin_z() || z > stage.origin_z() + kSight_m) continue;
    draw_tree(stage, {z + double(dice.range(-1, 1)), side.sign * lateral, 0, 0.12F}, dice);
  }
}

}  // namespace driftloop::adapt::streetsim
