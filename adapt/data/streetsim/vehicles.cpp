#include "adapt/data/streetsim/scene.h"

namespace driftloop::adapt::streetsim {
namespace {

constexpr Rgb kTyre{0.06F, 0.06F, 0.065F}, kChrome{0.55F, 0.56F, 0.58F};
constexpr Rgb kFleet[] = {{0.9F, 0.9F, 0.88F},
                          {0.75F, 0.15F, 0.12F},
                          {0.85F, 0.65F, 0.1F},
                          {0.15F, 0.32F, 0.6F},
                          {0.2F, 0.45F, 0.3F}};

Surface body(Material material, std::uint8_t label, Rgb colour) {
  return {.material = material, .label = label, .colour = colour};
}

/// What the parts of one vehicle have in common.
struct Skin {
  std::uint8_t label;
  Rgb colour;
  float lamps;  // 1 while it drives
};

PrismFaces vehicle_faces(const Skin& skin, Material side) {
  PrismFaces faces{body(Material::vehicle_rear, skin.label, skin.colour),
                   body(Material::vehicle_front, skin.label, skin.colour),
                   body(side, skin.label, skin.colour), body(Material::flat, skin.label, skin.colour)};
  faces.back.param[1] = faces.front.param[1] = skin.lamps;
  return faces;
}

struct Axles {
  float half_width, front, back, radius;
};

void draw_wheels(Stage& stage, const Frame& f, std::uint8_t label, const Axles& a) {
  const Surface face = body(Material::wheel, label, kTyre), tread = body(Material::flat, label, kTyre);
  for (float side : {-1.0F, 1.0F})
    for (float along : {a.back, a.front}) {
      draw_wheel(stage, f, {side * (a.half_width + 0.02F), a.radius, along}, a.radius, face);
      Frame wheel = f;
      wheel.origin = f.at(side * (a.half_width - 0.12F), 0, along);
      draw_box(stage, wheel,
               {0, a.radius * 1.5F, 0.12F, 0.12F, -a.radius * 0.8F, -a.radius * 0.5F, a.radius * 0.8F,
                a.radius * 0.5F},
               tread);
    }
}

void draw_cabin(Stage& stage, const Frame& f, const Prism& shape, std::uint8_t label, Rgb colour) {
  Surface side = body(Material::cabin, label, colour), screen = side;
  screen.param[0] = 1;
  draw_prism(stage, f, shape, {screen, screen, side, body(Material::flat, label, colour * 1.05F)});
}

void draw_car(Stage& stage, const Frame& f, Dice& dice, float lamps) {
  const Rgb paint = dice.of(stage.look().layout.cars) * dice.range(0.85F, 1.1F);
  const float half_length = dice.range(1.95F, 2.35F), half = dice.range(0.84F, 0.93F);
  const float shape = dice.next(), roof = shape < 0.3F ? 1.7F : shape < 0.75F ? 1.5F : 1.43F;
  const float belt = roof * 0.6F, nose = half_length, waist = roof * 0.36F;
  const Skin skin{label::car, paint, lamps};
  Surface bumper = body(Material::flat, label::car, paint * 0.72F);
  const Surface sill = body(Material::vehicle_side, label::car, paint);
  draw_prism(stage, f, {0.19F, waist, half * 0.95F, half, -half_length, -half_length, nose, nose},
             {bumper, bumper, sill, bumper});
  draw_prism(stage, f,
             {waist, belt, half, half * 0.92F, -half_length + 0.04F, -half_length + 0.16F, nose - 0.05F,
              nose - 0.32F},
             vehicle_faces(skin, Material::flat));
  // Hatchbacks and estates carry the roof to the tail, saloons have a boot.
  const float tail = shape < 0.75F ? -half_length + 0.2F : -half_length + 0.8F;
  const float lean = shape < 0.3F ? 0.2F : 0.5F;
  draw_cabin(stage, f, {belt, roof, half * 0.9F, half * 0.68F, tail, tail + lean, nose * 0.5F, nose * 0.08F},
             label::car, paint);
  draw_wheels(stage, f, label::car, {half * 0.97F, nose * 0.62F, -nose * 0.6F, 0.33F});
}

void draw_van(Stage& stage, const Frame& f, Rgb paint, float lamps) {
  draw_prism(stage, f, {0.35F, 2.5F, 1.0F, 0.95F, -2.8F, -2.8F, 1.6F, 1.3F},
             {body(Material::cargo, label::truck, paint), body(Material::flat, label::truck, paint),
              body(Material::cargo, label::truck, paint), body(Material::flat, label::truck, paint)});
  draw_prism(stage, f, {0.35F, 1.3F, 1.0F, 0.98F, -2.82F, -2.82F, 2.7F, 2.5F},
             vehicle_faces({label::truck, paint, lamps}, Material::vehicle_side));
  draw_cabin(stage, f, {1.3F, 2.2F, 0.97F, 0.85F, 1.0F, 1.0F, 2.45F, 1.6F}, label::truck, paint);
  draw_wheels(stage, f, label::truck, {1.0F, 1.8F, -1.8F, 0.38F});
}

void draw_truck(Stage& stage, const Frame& f, Dice& dice, float lamps) {
  const Rgb paint = dice.of(kFleet), box = dice.chance(0.5F) ? Rgb{0.85F, 0.85F, 0.84F} : dice.of(kFleet);
  if (dice.chance(0.35F)) return draw_van(stage, f, paint, lamps);
  const Surface cargo = body(Material::cargo, label::truck, box);
  draw_box(stage, f, {1.0F, dice.range(3.0F, 3.7F), 1.22F, 1.22F, -4.2F, -4.2F, 2.0F, 2.0F}, cargo);
  draw_prism(stage, f, {0.5F, 1.05F, 1.15F, 1.15F, -4.15F, -4.15F, 2.2F, 2.2F},
             vehicle_faces({label::truck, {0.25F, 0.25F, 0.26F}, lamps}, Material::flat));
  draw_prism(stage, f, {0.45F, 1.6F, 1.15F, 1.15F, 2.2F, 2.2F, 4.1F, 4.1F},
             vehicle_faces({label::truck, paint, lamps}, Material::vehicle_side));
  draw_cabin(stage, f, {1.6F, 2.8F, 1.15F, 1.05F, 2.2F, 2.2F, 4.1F, 3.8F}, label::truck, paint);
  draw_wheels(stage, f, label::truck, {1.15F, 3.0F, -2.8F, 0.5F});
}

void draw_coach(Stage& stage, const Frame& f, const Prism& shape, const Skin& skin) {
  const std::uint8_t label = skin.label;
  const Rgb paint = skin.colour;
  Surface end = body(Material::cabin, label, paint);
  end.param[0] = 1;
  Prism low = shape, high = shape;
  low.high = high.low = shape.low + (shape.high - shape.low) * 0.42F;
  PrismFaces lower = vehicle_faces(skin, Material::coach_side),
             upper{end, end, lower.side, body(Material::flat, label, paint)};
  draw_prism(stage, f, low, {lower.back, lower.front, body(Material::flat, label, paint), lower.top});
  draw_prism(stage, f, high, upper);
  // One panel over both halves, so that the windows keep their height.
  for (float side : {-1.0F, 1.0F}) {
    const float x = side * (shape.half_low + 0.01F);
    const Vec3 a = f.at(x, shape.low, shape.back_low), b = f.at(x, shape.low, shape.front_low);
    if (dot(f.right * side, a) >= 0) continue;
    Surface panel = body(Material::coach_side, label, paint);
    panel.param[3] = shape.front_low - shape.back_low;
    stage.quad(a, b, f.at(x, shape.high, shape.front_high), f.at(x, shape.high, shape.back_high), panel);
  }
}

void draw_bus(Stage& stage, const Frame& f, Dice& dice, float lamps) {
  draw_coach(stage, f, {0.35F, 3.05F, 1.25F, 1.25F, -5.6F, -5.6F, 5.6F, 5.5F},
             {label::bus, dice.of(kFleet), lamps});
  draw_wheels(stage, f, label::bus, {1.25F, 3.6F, -3.2F, 0.48F});
}

void draw_train(Stage& stage, const Frame& f, Dice& dice, float lamps) {
  const Rgb paint = dice.of(kFleet);
  const Surface joint = body(Material::flat, label::train, {0.12F, 0.12F, 0.13F});
  for (int car = -1; car <= 1; ++car) {
    Frame part = f;
    part.origin = f.at(0, 0, float(car) * 10.5F);
    draw_coach(stage, part, {0.3F, 3.5F, 1.28F, 1.22F, -5, car < 0 ? -4.7F : -5, 5, car > 0 ? 4.7F : 5},
               {label::train, paint, lamps});
    if (car < 1) draw_box(stage, part, {0.4F, 3.3F, 1.1F, 1.1F, 5, 5, 5.5F, 5.5F}, joint);
    draw_box(stage, part, {0.0F, 0.3F, 0.9F, 0.9F, -4, -4, 4, 4}, joint);
  }
  stage.stick(f.at(0, 3.5F, 0), f.at(0, 4.4F, 0.6F), 0.07F, 0.07F, joint);
}

/// Someone astride: hips at `seat`, hands at `grip`, both local.
void draw_rider(Stage& stage, const Frame& f, Dice& dice, Vec3 seat, Vec3 grip, float pedal) {
  const auto cloth = [&](Rgb colour) {
    return Surface{.material = Material::round, .label = label::rider, .colour = colour};
  };
  const Surface jacket = cloth(Rgb{dice.range(0.1F, 0.8F), dice.range(0.1F, 0.6F), dice.range(0.1F, 0.7F)}),
                trousers = cloth({0.14F, 0.15F, 0.22F});
  const Vec3 neck{0, seat.y + 0.52F, mix(seat.z, grip.z, 0.42F)};
  const auto at = [&](Vec3 p) { return f.at(p.x, p.y, p.z); };
  for (float side : {-1.0F, 1.0F}) {
    const float turn = pedal + (side > 0 ? 0 : 3.1416F);
    const Vec3 hip{side * 0.11F, seat.y, seat.z},
        foot{side * 0.13F, 0.3F + 0.14F * std::sin(turn), seat.z + 0.28F + 0.14F * std::cos(turn)};
    const Vec3 knee{side * 0.15F, (hip.y + foot.y) * 0.5F + 0.06F, (hip.z + foot.z) * 0.5F + 0.22F};
    stage.stick(at(hip), at(knee), 0.19F, 0.15F, trousers);
    stage.stick(at(knee), at(foot), 0.14F, 0.1F, trousers);
    stage.stick(at({side * 0.2F, neck.y - 0.06F, neck.z}), at({side * 0.25F, grip.y, grip.z}), 0.12F, 0.09F,
                jacket);
  }
  stage.stick(at({0, seat.y - 0.05F, seat.z}), at({0, neck.y, neck.z}), 0.36F, 0.44F, jacket);
  stage.disc(at({0, neck.y + 0.17F, neck.z + 0.04F}), 0.125F, 0.15F,
             cloth(dice.chance(0.5F) ? Rgb{0.75F, 0.55F, 0.43F} : Rgb{0.2F, 0.2F, 0.24F}));
}

void draw_motorcycle(Stage& stage, const Frame& f, Dice& dice, Rider rider) {
  const std::uint8_t own = label::motorcycle;
  const Rgb paint = dice.of(kFleet) * 0.8F;
  const Surface tyre = body(Material::flat, own, kTyre);
  for (float along : {-0.68F, 0.7F}) {
    draw_wheel(stage, f, {0, 0.31F, along}, 0.31F, body(Material::wheel, own, kTyre));
    Frame wheel = f;
    wheel.origin = f.at(0, 0, along);
    draw_box(stage, wheel, {0, 0.58F, 0.07F, 0.07F, -0.2F, -0.2F, 0.2F, 0.2F}, tyre);
  }
  draw_box(stage, f, {0.35F, 0.78F, 0.15F, 0.12F, -0.75F, -0.85F, 0.5F, 0.3F},
           body(Material::flat, own, paint));
  draw_box(stage, f, {0.75F, 1.0F, 0.16F, 0.1F, -0.05F, 0, 0.5F, 0.35F}, body(Material::flat, own, paint));
  draw_box(stage, f, {0.6F, 0.8F, 0.11F, 0.11F, -0.95F, -0.95F, -0.8F, -0.8F},
           body(Material::flat, own, {0.7F, 0.08F, 0.06F}));
  stage.stick(f.at(-0.38F, 1.05F, 0.42F), f.at(0.38F, 1.05F, 0.42F), 0.06F, 0.06F,
              body(Material::flat, own, kTyre));
  stage.stick(f.at(0, 1.0F, 0.45F), f.at(0, 0.3F, 0.7F), 0.1F, 0.08F, body(Material::flat, own, kChrome));
  if (rider == Rider::present) draw_rider(stage, f, dice, {0, 0.85F, -0.25F}, {0, 1.05F, 0.4F}, 0);
}

void draw_bicycle(Stage& stage, const Frame& f, Dice& dice, Rider rider, float pedal) {
  const std::uint8_t own = label::bicycle;
  const Surface frame = body(Material::flat, own, dice.of(kFleet) * 0.75F),
                black = body(Material::flat, own, kTyre);
  Surface rim = body(Material::flat, own, kTyre);
  rim.cutout = Cutout::ring;
  rim.param[0] = 0.72F;
  for (float along : {-0.52F, 0.52F}) {
    draw_wheel(stage, f, {0, 0.34F, along}, 0.34F, rim);
    stage.stick(f.at(0, 0, along), f.at(0, 0.68F, along), 0.05F, 0.05F, black);
    stage.stick(f.at(0, 0.34F, along - 0.33F), f.at(0, 0.34F, along + 0.33F), 0.015F, 0.015F, black);
  }
  const auto bar = [&](Vec3 a, Vec3 b) {
    stage.stick(f.at(a.x, a.y, a.z), f.at(b.x, b.y, b.z), 0.055F, 0.055F, frame);
  };
  bar({0, 0.34F, -0.52F}, {0, 0.82F, -0.2F});
  bar({0, 0.34F, -0.52F}, {0, 0.3F, 0});
  bar({0, 0.3F, 0}, {0, 0.82F, -0.2F});
  bar({0, 0.3F, 0}, {0, 0.85F, 0.4F});
  bar({0, 0.78F, -0.18F}, {0, 0.85F, 0.4F});
  bar({0, 1.0F, 0.38F}, {0, 0.34F, 0.52F});
  stage.stick(f.at(-0.28F, 1.02F, 0.38F), f.at(0.28F, 1.02F, 0.38F), 0.045F, 0.045F, black);
  stage.stick(f.at(0, 0.9F, -0.34F), f.at(0, 0.9F, -0.1F), 0.12F, 0.06F, black);
  if (rider == Rider::present) draw_rider(stage, f, dice, {0, 0.95F, -0.2F}, {0, 1.03F, 0.36F}, pedal);
}

}  // namespace

void draw_vehicle(Stage& stage, Vehicle kind, Rider rider, const Pose& pose, Dice dice) {
  const Frame f = stage.frame(pose);
  if (std::abs(f.origin.x) > std::abs(f.origin.z) * 1.3F + 18) return;
  struct Footprint {
    float width, length, height;
  };
  constexpr Footprint kFootprints[] = {{1.8F, 4.3F, 1.4F}, {2.4F, 8, 3},    {2.5F, 11, 3},
                                       {2.5F, 31, 3},      {0.5F, 2, 1.3F}, {0.4F, 1.6F, 1.3F}};
  const Footprint& foot = kFootprints[int(kind)];
  stage.contact_shadow(pose, foot.width, foot.length, foot.height);
  const float lamps = rider == Rider::present ? 1.0F : 0.0F;
  switch (kind) {
    case Vehicle::car:
      return draw_car(stage, f, dice, lamps);
    case Vehicle::truck:
      return draw_truck(stage, f, dice, lamps);
    case Vehicle::bus:
      return draw_bus(stage, f, dice, lamps);
    case Vehicle::train:
      return draw_train(stage, f, dice, lamps);
    case Vehicle::motorcycle:
      return draw_motorcycle(stage, f, dice, rider);
    case Vehicle::bicycle:
      return draw_bicycle(stage, f, dice, rider, float(pose.z) * 1.2F);
  }
}

}  // namespace driftloop::adapt::streetsim
