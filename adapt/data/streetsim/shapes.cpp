#include "adapt/data/streetsim/shapes.h"

namespace driftloop::adapt::streetsim {

void draw_prism(Stage& stage, const Frame& f, const Prism& p, const PrismFaces& faces) {
  const Vec3 low[4] = {f.at(-p.half_low, p.low, p.back_low), f.at(p.half_low, p.low, p.back_low),
                       f.at(p.half_low, p.low, p.front_low), f.at(-p.half_low, p.low, p.front_low)};
  const Vec3 high[4] = {f.at(-p.half_high, p.high, p.back_high), f.at(p.half_high, p.high, p.back_high),
                        f.at(p.half_high, p.high, p.front_high), f.at(-p.half_high, p.high, p.front_high)};
  const Vec3 middle = (low[0] + low[2] + high[0] + high[2]) * 0.25F;
  const Surface* sides[4] = {&faces.back, &faces.side, &faces.front, &faces.side};
  for (int i = 0; i < 4; ++i) {
    const int j = (i + 1) % 4;
    Vec3 normal = cross(low[j] - low[i], high[i] - low[i]);
    if (dot(normal, low[i] - middle) < 0) normal = normal * -1;
    if (dot(normal, low[i]) >= 0) continue;
    Surface surface = *sides[i];
    if (i % 2 == 1) {
      surface.param[3] = p.front_low - p.back_low;
      // On both flanks u runs from the tail to the nose.
      if (i == 3) {
        stage.quad(low[0], low[3], high[3], high[0], surface);
        continue;
      }
    }
    stage.quad(low[i], low[j], high[j], high[i], surface);
  }
  if (high[0].y < 0) stage.quad(high[0], high[1], high[2], high[3], faces.top);
}

void draw_box(Stage& stage, const Frame& frame, const Prism& prism, const Surface& surface) {
  draw_prism(stage, frame, prism, {surface, surface, surface, surface});
}

void draw_wheel(Stage& stage, const Frame& f, Vec3 c, float radius_m, const Surface& surface) {
  const auto corner = [&](float u, float v) {
    return Corner{f.at(c.x, c.y + v * radius_m, c.z + u * radius_m), u, v};
  };
  const Corner corners[] = {corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)};
  Surface cut = surface;
  if (cut.cutout == Cutout::none) cut.cutout = Cutout::disc;
  stage.polygon(corners, cut);
}

}  // namespace driftloop::adapt::streetsim
