// The colour of a surface at a place on it.
#pragma once
#include "adapt/data/streetsim/canvas.h"
#include "adapt/data/streetsim/look.h"

namespace driftloop::adapt::streetsim {

/// Where on a surface we look and from how far.
struct Spot {
  float u, v;  // the surface's own coordinates
  float depth_m;
  float pixels_per_m;  // samples that a metre facing the camera covers there
};

/// Lit colour, without haze.
Rgb surface_colour(const Look& look, const Surface& surface, const Spot& spot);
/// True for materials with edges inside (windows, markings): these are looked at in every sample.
bool has_detail(Material material);
/// The sky in a direction: azimuth and elevation as tangents.
Rgb sky_colour(const Look& look, float azimuth, float elevation, float drift);

}  // namespace driftloop::adapt::streetsim
