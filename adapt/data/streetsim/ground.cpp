#include "adapt/data/streetsim/noise.h"
#include "adapt/data/streetsim/scene.h"

namespace driftloop::adapt::streetsim {
namespace {

constexpr double kRepeat_m = 4608;  // the ground's texture repeats after this; a multiple of every marking
constexpr float kKerb_m = 0.12F;
constexpr float kFar_m = 90;  // how far the ground goes to each side

struct Strip {
  float left, right, height;
  Surface surface;
};

/// One strip of ground between two places along the street, with u = lateral and v = along.
void lay(Stage& stage, const Strip& s, double z0, double z1) {
  const double wrap = std::floor(stage.origin_z() / kRepeat_m) * kRepeat_m;
  const auto v0 = float(z0 - wrap), v1 = float(z1 - wrap);
  const Corner corners[] = {{stage.at(s.left, s.height, z0), s.left, v0},
                            {stage.at(s.right, s.height, z0), s.right, v0},
                            {stage.at(s.right, s.height, z1), s.right, v1},
                            {stage.at(s.left, s.height, z1), s.left, v1}};
  stage.polygon(corners, s.surface);
}

Surface asphalt(float kind) {
  Surface s{.material = Material::road, .label = label::road};
  s.param[0] = kind;
  return s;
}

struct Ground {
  Surface paving, kerb, grass, yard;
};

Ground ground_of(const Look& look, const Block& block) {
  const Layout& l = look.layout;
  Ground g;
  g.paving = {.material = Material::paving, .label = label::sidewalk, .colour = l.paving};
  g.kerb = {.label = label::sidewalk, .colour = l.paving * 1.12F};
  g.grass = {.material = Material::grass, .label = label::terrain, .colour = l.grass};
  const bool town = block.district == District::commercial || block.district == District::boulevard;
  g.yard = town ? g.paving : g.grass;
  return g;
}

void lay_side(Stage& stage, const Block& b, const Ground& g, float sign, double z0, double z1) {
  const auto strip = [&](float from, float to, float height, const Surface& s) {
    lay(stage, {sign > 0 ? from : -to, sign > 0 ? to : -from, height, s}, z0, z1);
  };
  const float kerb = stage.plan().road_half_m(), walk = kerb + 0.15F + b.verge_m, yard = walk + b.sidewalk_m;
  stage.quad(stage.at(sign * kerb, 0, z0), stage.at(sign * kerb, 0, z1), stage.at(sign * kerb, kKerb_m, z1),
             stage.at(sign * kerb, kKerb_m, z0), g.kerb);
  strip(kerb, kerb + 0.15F, kKerb_m, g.kerb);
  if (b.verge_m > 0) strip(kerb + 0.15F, walk, kKerb_m, g.grass);
  strip(walk, yard, kKerb_m, g.paving);
  strip(yard, kFar_m, kKerb_m, g.yard);
}

}  // namespace

void draw_ground(Stage& stage, const Block& b) {
  const double near = stage.origin_z() - 1, far = stage.origin_z() + kSight_m;
  const Ground g = ground_of(stage.look(), b);
  const float half = stage.plan().road_half_m();
  const auto road = [&](float kind, double z0, double z1) {
    z0 = std::max(z0, near), z1 = std::min(z1, far);
    if (z0 < z1) lay(stage, {-half, half, 0, asphalt(kind)}, z0, z1);
  };
  const double stop = b.z1 - 6, zebra = b.z1 - 5;
  for (double z = b.z0; z < b.z1;) {
    // Short pieces near the camera follow the curve; their ends are fixed in the world.
    const double step = z - near > 60 ? 12 : 4;
    double next = std::min(b.z1, (std::floor(z / step) + 1) * step);
    if (b.z1 - next < 0.5) next = b.z1;
    if (next > near && z < far) {
      road(0, z, std::min(next, stop));
      for (float sign : {-1.0F, 1.0F}) lay_side(stage, b, g, sign, std::max(z, near), std::min(next, far));
    }
    z = next;
  }
  road(3, stop, stop + 0.4);
  road(1, stop + 0.4, zebra);
  road(2, zebra, zebra + 3.2);
  road(1, zebra + 3.2, b.next_z0);
  const double c0 = std::max(b.z1, near), c1 = std::min(b.next_z0, far);
  if (c0 >= c1) return;
  for (float sign : {-1.0F, 1.0F})
    lay(stage, {sign > 0 ? half : -kFar_m, sign > 0 ? kFar_m : -half, 0, asphalt(1)}, c0, c1);
  // The cut ends of the raised sidewalks beyond the crossing.
  if (b.next_z0 < far)
    for (float sign : {-1.0F, 1.0F})
      stage.quad(stage.at(sign * half, 0, b.next_z0), stage.at(sign * kFar_m, 0, b.next_z0),
                 stage.at(sign * kFar_m, kKerb_m, b.next_z0), stage.at(sign * half, kKerb_m, b.next_z0),
                 g.kerb);
}

void draw_skyline(Stage& stage) {
  const Look& look = stage.look();
  const double far = stage.origin_z() + kSight_m;
  const Plan& plan = stage.plan();
  // Fields up to the horizon.
  Surface field{.material = Material::grass, .label = label::terrain, .colour = look.layout.grass};
  lay(stage, {-900, 900, -0.02F, field}, far - 1, far + 1200);
  const double morph = stage.travelled_m() / 400;
  const auto step = std::int64_t(std::floor(morph));
  const float blend = smooth(float(morph - double(step)));
  for (int slot = -26; slot <= 26; ++slot) {
    const auto value = [&](int what) {
      return mix(unit(hash_of(plan.seed(), int(Topic::skyline), slot, step, what)),
                 unit(hash_of(plan.seed(), int(Topic::skyline), slot, step + 1, what)), blend);
    };
    const std::uint64_t key = hash_of(plan.seed(), int(Topic::skyline), slot);
    const float x = (float(slot) + unit(key) - 0.5F) * 13,
                z = float(kSight_m) + 12 + 30 * unit(hash_of(key, 1));
    const float width = 8 + 9 * value(0);
    const bool tree = unit(hash_of(key, 2)) < 0.55F;
    if (tree) {
      Surface s{.material = Material::foliage,
                .cutout = Cutout::crown,
                .label = label::vegetation,
                .colour = look.layout.leaves,
                .salt = std::uint32_t(key)};
      stage.disc({x, 1, z}, width, 5 + 7 * value(1), s);
    } else {
      const float height = (6 + 16 * value(1)) * look.layout.height_scale;
      Surface s{.material = Material::facade, .label = label::building, .salt = std::uint32_t(key) & ~1U};
      Dice dice(key);
      s.colour = dice.of(look.layout.walls);
      s.param[0] = 3, s.param[1] = 3.1F, s.param[2] = 0.45F, s.param[3] = height;
      const float low = -stage.look().lens.height_m;
      stage.quad({x - width, low, z}, {x + width, low, z}, {x + width, height + low, z},
                 {x - width, height + low, z}, s, 2 * width, height);
    }
  }
}

}  // namespace driftloop::adapt::streetsim
