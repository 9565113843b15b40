#include "adapt/data/streetsim/materials.h"

#include "adapt/data/streetsim/noise.h"

namespace driftloop::adapt::streetsim {
namespace {

constexpr Rgb kLampLight{1.25F, 1.0F, 0.62F}, kDarkGlass{0.13F, 0.16F, 0.2F}, kTailLight{0.62F, 0.06F, 0.05F};

struct View {
  const Look& look;
  const Surface& s;
  float u, v, grain;  // grain: strength of texture that is still resolved here, 0..1
  float pixels_per_m;
  float chance(int a, int b = 0) const { return unit(hash_of(s.salt, a, b)); }
};

/// 1 inside |x| < half, with an edge one sample wide.
float band(float x, float half, float pixels_per_m) {
  return clamp01((half - std::abs(x)) * pixels_per_m + 0.5F) * clamp01(half * 2 * pixels_per_m);
}
bool within(float x, float low, float high) {
  return x >= low && x < high;
}

float lane_paint(const View& w, Rgb& paint) {
  const Layout& l = w.look.layout;
  const float half = 0.075F, px = w.pixels_per_m, side = std::abs(w.u);
  const bool dash = fraction(w.v / 9) < 0.42F;
  float cover = 0;
  if (l.lanes > 1) {
    cover = band(side - 0.16F, half, px);
    if (cover > 0) paint = l.centre_line;
    for (int lane = 1; lane < l.lanes && dash; ++lane)
      cover = std::max(cover, band(side - float(lane) * l.lane_m, half, px));
  } else if (dash) {
    cover = band(w.u, half, px);
    paint = l.centre_line;
  }
  const float edge = float(l.lanes) * l.lane_m;
  const bool bays = l.parking_m > 0 && fraction(w.v / 6.2F) < 0.6F;
  if (l.parking_m <= 0)
    cover = std::max(cover, band(side - edge + 0.3F, half, px));
  else if (bays)
    cover = std::max(cover, band(side - edge, half * 0.8F, px));
  return cover;
}

/// Mended squares and manholes, as a change of tone.
float repairs(const View& w) {
  const int column = floor_int(w.u / 1.7F), row = floor_int(w.v / 6.4F);
  const float kind = unit(hash_of(5150, column, row));
  if (kind < 0.07F) return kind < 0.04F ? -0.13F : 0.1F;
  if (kind < 0.1F) {
    const float du = fraction(w.u / 1.7F) * 1.7F - 0.85F, dv = fraction(w.v / 6.4F) * 6.4F - 3.2F;
    if (du * du + dv * dv < 0.12F) return -0.3F;
  }
  return 0;
}

Rgb road(const View& w) {
  const Noise& noise = Noise::shared();
  const float worn = noise.cloud(w.u * 2, w.v * 0.5F),
              fine = 0.5F * noise.grain(w.u * 16, w.v * 16) + 0.6F * noise.grain(w.u * 48, w.v * 48);
  const float lane = fraction(w.u / w.look.layout.lane_m);
  const float tracks = 0.035F * std::cos(lane * 12.566F);
  const float texture = w.look.light.texture;
  float tone = 1 + texture * (0.16F * worn + tracks + 0.16F * fine * w.grain);
  const float crack = noise.cloud(w.u * 5 + 31, w.v * 1.5F);
  if (texture > 0 && std::abs(crack) < 0.012F * w.grain) tone -= 0.1F * texture;
  tone += texture * repairs(w);
  Rgb colour = w.look.layout.asphalt * tone;
  Rgb paint{0.86F, 0.86F, 0.84F};
  float cover = 0;
  switch (int(w.s.param[0])) {
    case 0:
      cover = lane_paint(w, paint);
      break;
    case 2:
      cover = band(fraction(w.u / 1.1F) * 1.1F - 0.55F, 0.27F, w.pixels_per_m);
      break;
    case 3:
      cover = w.u > 0.1F ? 1 : 0;
      break;
    default:
      break;
  }
  if (cover > 0) {
    cover *= clamp01(0.95F - texture * std::max(0.0F, 0.5F * worn + 0.25F * fine * w.grain));
    colour = mix(colour, paint, cover);
  }
  return colour;
}

Rgb paving(const View& w) {
  const Noise& noise = Noise::shared();
  const float slab = 0.6F;
  float tone = 1 + w.look.light.texture *
                       (0.1F * noise.cloud(w.u * 4, w.v) + 0.1F * w.grain * noise.grain(w.u * 16, w.v * 16));
  const float px = w.pixels_per_m;
  tone -= 0.22F * band(fraction(w.u / slab) * slab - slab / 2, 0.02F, px) * w.grain;
  if (w.grain > 0.2F) tone -= 0.18F * w.grain * (fraction(w.v / slab) < 0.05F ? 1.0F : 0.0F);
  return w.s.colour * tone;
}

Rgb grass(const View& w) {
  const Noise& noise = Noise::shared();
  const float patches = noise.cloud(w.u * 6, w.v * 2), blades = noise.grain(w.u * 24, w.v * 8);
  const float t = 0.35F + 0.65F * w.look.light.texture;
  const Rgb dry{0.5F, 0.46F, 0.28F};
  return mix(w.s.colour, dry, clamp01(0.25F + 0.6F * patches) * 0.5F * t) *
         (1 + t * (0.15F * patches + 0.25F * w.grain * blades));
}

Rgb foliage(const View& w) {
  const Noise& noise = Noise::shared();
  const float shift = float(w.s.salt & 255U);
  const float clump = noise.cloud(w.u * 11 + shift, w.v * 11 + shift),
              leaf = noise.grain(w.u * 26 + shift, w.v * 26);
  const float t = 0.3F + 0.7F * w.look.light.texture;
  const float top = 0.86F + 0.2F * w.v - 0.08F * w.u;  // lit from above
  return w.s.colour * (top + t * (0.6F * clump + 0.34F * leaf * (0.35F + 0.65F * w.grain)));
}

/// Panes: the sky's reflection by day, lamplight where somebody is at home.
Rgb pane(const View& w, int column, int floor, float height, Rgb& emit) {
  const Light& light = w.look.light;
  if (w.chance(column * 7 + 1, floor) < light.lit_windows) {
    emit = kLampLight * (0.45F + 0.5F * w.chance(column, floor + 50));
    return {0, 0, 0};
  }
  const float tilt = w.chance(column, floor);
  return mix(kDarkGlass, light.sky_low * 0.75F, 0.12F + 0.35F * tilt * height);
}

Rgb shop_front(const View& w, float height, int column, Rgb& emit) {
  const Rgb board =
      mix(Rgb{0.75F, 0.2F, 0.16F}, Rgb{0.14F, 0.3F, 0.5F}, w.chance(3)) * (0.5F + 0.8F * w.chance(4));
  if (height > 0.8F) return board;
  if (height < 0.1F) return w.s.colour * 0.6F;
  const float across = fraction(w.u / 2.6F);
  if (across < 0.07F) return w.s.colour * 0.55F;
  if (w.look.light.lamps > 0)
    emit = kLampLight * (0.55F * w.look.light.lamps * (0.6F + 0.4F * w.chance(column, 5)));
  return mix(kDarkGlass, w.look.light.sky_low, 0.1F + 0.25F * height) + board * 0.12F;
}

Rgb facade(const View& w, Rgb& emit) {
  const float pitch = w.s.param[0], storey = w.s.param[1], share = w.s.param[2], top = w.s.param[3];
  const Noise& noise = Noise::shared();
  const float tone = 1 + w.look.light.texture * (0.1F * noise.cloud(w.u * 3, w.v * 3) +
                                                 0.07F * w.grain * noise.grain(w.u * 12, w.v * 12) -
                                                 0.12F * smooth(1 - w.v / 1.5F));
  const Rgb wall = w.s.colour * tone;
  const int floor = int(w.v / storey), column = floor_int((w.u / pitch));
  const float height = w.v / storey - float(floor), across = fraction(w.u / pitch);
  if (w.v > top - 0.35F) return wall * 0.82F;
  const bool shop = (w.s.salt & 1U) != 0;
  if (floor == 0 && shop) return shop_front(w, height, column, emit);
  if (floor == 0 && w.chance(column, 99) < 0.22F && within(across, 0.32F, 0.68F) && height < 0.74F)
    return Rgb{0.3F, 0.2F, 0.14F} * (0.6F + w.chance(column, 98));
  if (height < 0.05F && floor > 0) return wall * 0.88F;
  if (w.v > top - 0.7F) return wall;
  const float edge = std::abs(across - 0.5F), half = share * 0.5F;
  const float frame = 0.035F;
  if (edge > half + frame || !within(height, 0.24F, 0.84F)) return wall;
  if (edge > half || !within(height, 0.28F, 0.8F)) return mix(wall, Rgb{0.92F, 0.92F, 0.9F}, 0.55F);
  if (edge < 0.018F) return mix(wall, Rgb{0.92F, 0.92F, 0.9F}, 0.6F);
  return pane(w, column, floor, height, emit);
}

Rgb courses(const View& w, float row_m, float stone_m) {
  const float row = float(floor_int(w.v / row_m));
  const float along = fraction(w.u / stone_m + 0.5F * row);
  const float joint = (fraction(w.v / row_m) < 0.14F || along < 0.06F) ? 0.8F : 1.0F;
  const float tint = 0.88F + 0.24F * w.chance(int(row), floor_int((w.u / stone_m + 0.5F * row)));
  const float t = w.grain;
  return w.s.colour * (mix(0.97F, joint * tint, t) +
                       0.1F * w.look.light.texture * Noise::shared().cloud(w.u * 8, w.v * 8));
}

Rgb planks(const View& w) {
  const float gap = fraction(w.u / 0.18F) < 0.14F ? 0.6F : 1.0F;
  const float tint = 0.88F + 0.2F * w.chance(floor_int((w.u / 0.18F)));
  return w.s.colour * mix(0.92F, gap * tint, w.grain);
}

Rgb vehicle_end(const View& w, Rgb& emit) {
  const bool rear = w.s.material == Material::vehicle_rear;
  const float side = std::abs(w.u - 0.5F) * 2, lamps = w.look.light.lamps * w.s.param[1];
  if (w.v < 0.08F) return w.s.colour * 0.4F;
  if (within(side, 0.66F, 0.95F) && within(w.v, 0.55F, 0.86F)) {
    if (rear) {
      emit = Rgb{1.1F, 0.08F, 0.05F} * lamps;
      return kTailLight;
    }
    emit = Rgb{1.6F, 1.5F, 1.2F} * lamps;
    return {0.85F, 0.87F, 0.88F};
  }
  if (side < 0.28F && within(w.v, 0.34F, 0.52F)) return {0.86F, 0.86F, 0.8F};
  if (!rear && side < 0.58F && within(w.v, 0.5F, 0.78F)) return {0.09F, 0.09F, 0.1F};
  if (rear && within(w.v, 0.86F, 0.9F)) return w.s.colour * 0.7F;
  return w.s.colour * (0.92F + 0.12F * w.v);
}

Rgb vehicle_side(const View& w) {
  if (w.v < 0.1F) return w.s.colour * 0.3F;
  if (std::abs(w.u - 0.5F) < 0.006F || std::abs(w.u - 0.3F) < 0.006F || std::abs(w.u - 0.7F) < 0.006F)
    return w.s.colour * 0.6F;
  if (within(w.v, 0.52F, 0.56F)) return w.s.colour * 1.12F;
  return w.s.colour * (0.82F + 0.22F * w.v);
}

/// Glasshouse: panes between painted pillars. param[0] = 1 on a windscreen.
Rgb cabin(const View& w) {
  const float side = std::abs(w.u - 0.5F);
  const float pillar = w.s.param[0] > 0 ? 0.07F : 0.05F;
  if (side > 0.5F - pillar || w.v > 0.93F || (w.s.param[0] <= 0 && std::abs(w.u - 0.48F) < 0.025F))
    return w.s.colour * 0.9F;
  const Rgb reflection = w.look.light.sky_low * 0.55F;
  return mix(kDarkGlass * 0.8F, reflection, 0.15F + 0.4F * w.v * clamp01(0.4F + w.u));
}

Rgb coach_side(const View& w, Rgb& emit) {
  const float along = w.u * std::max(1.0F, w.s.param[3]);
  if (w.v < 0.08F) return {0.08F, 0.08F, 0.09F};
  if (within(w.v, 0.45F, 0.86F)) {
    if (fraction(along / 1.5F) < 0.07F) return w.s.colour * 0.5F;
    if (w.look.light.lamps > 0) emit = kLampLight * (0.5F * w.look.light.lamps);
    return mix(kDarkGlass, w.look.light.sky_low, 0.3F * w.v);
  }
  if (fraction(along / 5) < 0.2F && within(w.v, 0.1F, 0.46F)) return w.s.colour * 0.72F;
  if (within(w.v, 0.3F, 0.38F)) return mix(w.s.colour, Rgb{0.95F, 0.95F, 0.95F}, 0.6F);
  return w.s.colour;
}

Rgb sign_face(const View& w) {
  const float r = w.s.cutout == Cutout::disc ? std::sqrt(w.u * w.u + w.v * w.v)
                                             : 2 * std::max(std::abs(w.u - 0.5F), std::abs(w.v - 0.5F));
  const Rgb white{0.95F, 0.95F, 0.93F};
  if (w.s.param[0] > 0) return r > 0.72F ? w.s.colour : white;  // a border
  if (r > 0.88F) return white;
  return w.chance(int(w.u * 4 + 8), int(w.v * 5 + 8)) < 0.28F && r < 0.6F ? white : w.s.colour;
}

}  // namespace

bool has_detail(Material m) {
  switch (m) {
    case Material::facade:
    case Material::brick:
    case Material::planks:
    case Material::vehicle_rear:
    case Material::vehicle_front:
    case Material::vehicle_side:
    case Material::coach_side:
    case Material::cabin:
    case Material::sign:
      return true;
    default:
      return false;
  }
}

Rgb surface_colour(const Look& look, const Surface& s, const Spot& spot) {
  const float grain = clamp01(spot.pixels_per_m / 40);
  const View w{look, s, spot.u, spot.v, grain, spot.pixels_per_m};
  Rgb emit, c = s.colour;
  switch (s.material) {
    case Material::road:
      c = road(w);
      break;
    case Material::paving:
      c = paving(w);
      break;
    case Material::grass:
      c = grass(w);
      break;
    case Material::facade:
      c = facade(w, emit);
      break;
    case Material::roof:
      c = courses(w, 0.3F, 0.4F);
      break;
    case Material::brick:
      c = courses(w, 0.25F, 0.55F);
      break;
    case Material::planks:
      c = planks(w);
      break;
    case Material::foliage:
      c = foliage(w);
      break;
    case Material::glass:
      c = mix(kDarkGlass, look.light.sky_low, 0.3F);
      break;
    case Material::cabin:
      c = cabin(w);
      break;
    case Material::vehicle_rear:
    case Material::vehicle_front:
      c = vehicle_end(w, emit);
      break;
    case Material::vehicle_side:
      c = vehicle_side(w);
      break;
    case Material::coach_side:
      c = coach_side(w, emit);
      break;
    case Material::cargo:
      c = c * (fraction(w.u * 6) < 0.06F ? 0.88F : 1.0F);
      break;
    case Material::wheel: {
      const float r = w.u * w.u + w.v * w.v;
      c = r < 0.34F ? Rgb{0.5F, 0.5F, 0.52F} * (0.7F + 0.3F * r) : Rgb{0.07F, 0.07F, 0.075F};
      break;
    }
    case Material::sign:
      c = sign_face(w);
      break;
    case Material::lamp:
      emit = c, c = c * 0.3F;
      break;
    case Material::round:
      c = c * (1.02F - 0.3F * w.u * w.u);
      break;
    case Material::flat:
    case Material::sky:
      break;
  }
  return c * s.light + emit;
}

Rgb sky_colour(const Look& look, float azimuth, float elevation, float drift) {
  const Light& l = look.light;
  Rgb colour = mix(l.sky_low, l.sky_top, clamp01(1.35F * std::sqrt(std::max(0.0F, elevation))));
  if (l.clouds <= 0) return colour;
  const float flat = 1 / (elevation + 0.22F);
  const float puff = Noise::shared().cloud(azimuth * 22 * flat + drift, 26 * flat + drift * 0.3F);
  const float cover = smooth((puff + 2 * l.clouds - 1 + 0.25F) / 0.7F);
  const Rgb body = l.cloud * (0.93F + 0.12F * puff);
  return mix(colour, body, 0.85F * cover);
}

}  // namespace driftloop::adapt::streetsim
