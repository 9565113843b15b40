// Solids made of a few faces.
#pragma once
#include "adapt/data/streetsim/stage.h"

namespace driftloop::adapt::streetsim {

/// trainIds, in the order of config/label_space.h.
namespace label {
enum : std::uint8_t {
  road,
  sidewalk,
  building,
  wall,
  fence,
  pole,
  light,
  sign,
  vegetation,
  terrain,
  sky,
  person,
  rider,
  car,
  truck,
  bus,
  train,
  motorcycle,
  bicycle
};
}

/// A box whose top may be smaller than its bottom, in the metres of a Frame.
struct Prism {
  float low = 0, high = 1;                  // heights
  float half_low = 0.5F, half_high = 0.5F;  // half widths at the bottom and the top
  float back_low = -0.5F, back_high = -0.5F, front_low = 0.5F, front_high = 0.5F;
};

struct PrismFaces {
  Surface back, front, side, top;
};

/// Draws the faces that look at the camera. On each, u runs 0..1 to the right as seen from outside, v 0..1
/// upwards; on the sides param[3] tells the length in metres.
void draw_prism(Stage& stage, const Frame& frame, const Prism& prism, const PrismFaces& faces);
/// The same surface all round.
void draw_box(Stage& stage, const Frame& frame, const Prism& prism, const Surface& surface);
/// A disc in the plane of the frame's forward and up axes.
void draw_wheel(Stage& stage, const Frame& frame, Vec3 local_centre, float radius_m, const Surface& surface);

}  // namespace driftloop::adapt::streetsim
