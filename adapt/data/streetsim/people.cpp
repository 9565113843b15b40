#include "adapt/data/streetsim/scene.h"

namespace driftloop::adapt::streetsim {
namespace {

constexpr Rgb kSkin[] = {{0.85F, 0.66F, 0.54F}, {0.72F, 0.52F, 0.4F}, {0.45F, 0.31F, 0.23F}};
constexpr Rgb kCloth[] = {{0.15F, 0.16F, 0.2F}, {0.55F, 0.12F, 0.14F}, {0.2F, 0.3F, 0.5F},
                          {0.7F, 0.68F, 0.62F}, {0.3F, 0.34F, 0.24F},  {0.78F, 0.6F, 0.2F},
                          {0.4F, 0.4F, 0.42F}};
constexpr float kCrowding[] = {0.4F, 0.7F, 1.1F, 0.2F};  // by district, people per side and slot

}  // namespace

void draw_person(Stage& stage, const Pose& pose, Dice dice, float stride) {
  const Frame f = stage.frame(pose);
  if (f.origin.z < 0.8F || std::abs(f.origin.x) > f.origin.z * 1.2F + 3) return;
  const float tall = dice.range(0.86F, 1.08F) * (dice.chance(0.08F) ? 0.68F : 1.0F);
  const auto cloth = [&](Rgb colour) {
    return Surface{.material = Material::round, .label = label::person, .colour = colour};
  };
  const Surface coat = cloth(dice.of(kCloth) * dice.range(0.8F, 1.2F)),
                trousers = cloth(dice.of(kCloth) * 0.6F), skin = cloth(dice.of(kSkin));
  const auto at = [&](float r, float u, float along) { return f.at(r * tall, u * tall, along * tall); };
  const float swing = 0.3F * std::sin(stride * 3.1416F);
  const bool skirt = dice.chance(0.2F);
  for (float side : {-1.0F, 1.0F}) {
    const float leg = side * swing;
    stage.stick(at(side * 0.09F, 0.88F, 0), at(side * 0.1F, 0.46F, leg * 0.6F), 0.19F * tall, 0.15F * tall,
                trousers);
    stage.stick(at(side * 0.1F, 0.46F, leg * 0.6F), at(side * 0.1F, 0.02F, leg), 0.14F * tall, 0.11F * tall,
                trousers);
    stage.stick(at(side * 0.23F, 1.4F, 0), at(side * 0.27F, 0.86F, -leg * 0.7F), 0.13F * tall, 0.1F * tall,
                coat);
  }
  const float hem = skirt ? 0.55F : 0.82F;
  stage.stick(at(0, hem, 0), at(0, 1.3F, 0), (skirt ? 0.46F : 0.36F) * tall, 0.42F * tall, coat);
  stage.stick(at(0, 1.3F, 0), at(0, 1.47F, 0), 0.44F * tall, 0.22F * tall, coat);
  stage.disc(at(0, 1.6F, 0), 0.105F * tall, 0.135F * tall, skin);
  Surface hair = cloth(mix(Rgb{0.1F, 0.07F, 0.05F}, Rgb{0.6F, 0.5F, 0.35F}, dice.next()));
  stage.disc(at(0, 1.67F, -0.03F), 0.115F * tall, 0.09F * tall, hair);
  stage.contact_shadow(pose, 0.35F, 0.35F, 1.6F);
}

void draw_walkers(Stage& stage) {
  const Plan& plan = stage.plan();
  constexpr double kSlot_m = 5.5;
  for (int side = 0; side < 2; ++side)
    for (int way = 0; way < 2; ++way) {
      const double pace = way == 0 ? 0.13 : -0.13, drift = pace * stage.travelled_m();
      const auto first = std::int64_t(std::floor((stage.origin_z() - drift) / kSlot_m));
      const auto last = std::int64_t(std::floor((stage.origin_z() + 90 - drift) / kSlot_m));
      for (std::int64_t slot = first; slot <= last; ++slot) {
        Dice dice(hash_of(plan.seed(), int(Topic::walkers), side, way, slot));
        const double z = drift + (double(slot) + double(dice.next())) * kSlot_m;
        const Block b = plan.block(plan.block_at(z));
        const float busy = 0.5F * kCrowding[int(b.district)] * stage.look().crowd.people;
        // On a crossing's own road there is nobody; they reappear behind it.
        if (!dice.chance(busy) || z > b.z1 - 0.5) continue;
        const float middle = plan.road_half_m() + 0.15F + b.verge_m + b.sidewalk_m * dice.range(0.12F, 0.8F);
        const Pose pose{z, (side == 0 ? -1.0F : 1.0F) * middle, way == 0 ? 0 : 3.1416F, 0.12F};
        const int company = dice.chance(0.25F) ? 2 : 1;
        for (int i = 0; i < company; ++i) {
          Pose own = pose;
          own.lateral += 0.6F * float(i);
          draw_person(stage, own, Dice(dice.bits()), float(drift) * 1.5F + dice.next() * 2);
        }
      }
    }
}

}  // namespace driftloop::adapt::streetsim
