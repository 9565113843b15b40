// A look is one country in one weather: how streets are laid out and populated there, how light falls, and
// what the camera makes of it.
#pragma once
#include <array>
#include <span>
#include <vector>

#include "adapt/data/streetsim/maths.h"
#include "config/name_table.h"

namespace driftloop::adapt::streetsim {

/// How often things stand or drive along the street. Probabilities per slot; a slot is the length given.
struct Crowd {
  float traffic = 0.35F;   // vehicle per lane and 24 m
  float parked = 0.5F;     // vehicle per side and 6.2 m
  float people = 1.0F;     // factor on the district's own share
  float cyclists = 0.2F;   // rider per side and 30 m
  float trees = 1.0F;      // factor on the district's own share
  float furniture = 1.0F;  // factor on signs, bollards, bins, cabinets
  float truck = 0.04F;     // shares of the vehicles on the lanes; the rest are cars
  float bus = 0.025F;
  float motorcycle = 0.03F;
  float train = 0.35F;  // tram or train per 400 m
};

struct Layout {
  int country = 0;  // towns of one seed differ between countries
  float lane_m = 3.3F;
  int lanes = 1;           // per direction
  float parking_m = 2.1F;  // parking lane at each side, 0 = none
  float sidewalk_m = 3.0F;
  Rgb centre_line{0.9F, 0.9F, 0.88F};
  float overhead_lights = 0;  // probability that a crossing hangs its traffic lights over the road
  std::array<float, 4> districts{1, 1, 1, 1};  // shares: residential, boulevard, commercial, edge of town
  float height_scale = 1;                      // of buildings
  std::vector<Rgb> walls, roofs, cars;
  Rgb leaves{0.24F, 0.36F, 0.16F}, grass{0.36F, 0.45F, 0.22F};
  Rgb asphalt{0.37F, 0.37F, 0.38F}, paving{0.58F, 0.56F, 0.54F};
};

struct Light {
  Rgb sky_top{0.36F, 0.55F, 0.85F}, sky_low{0.8F, 0.87F, 0.93F}, cloud{0.97F, 0.97F, 0.97F};
  float clouds = 0.5F;  // share of the sky
  Rgb ambient{0.62F, 0.65F, 0.7F}, sun{0.5F, 0.46F, 0.38F};
  float sun_height = 0.8F;  // tangent of its elevation; shadows are long when it is small
  float shadow = 0.45F;     // how much light a cast shadow takes away
  Rgb haze{0.75F, 0.8F, 0.85F};
  float haze_m = 400;         // distance at which 63 % of the colour is haze
  float texture = 1;          // strength of surface grain, 0 = flat
  float lit_windows = 0.02F;  // share of windows with a lamp behind them
  float lamps = 0;            // 0..1, street lamps, head and tail lights
  float wet = 0;              // 0..1, mirror of the road
};

struct Lens {
  float focal_widths = 1.0F;  // focal length in picture widths
  float height_m = 1.35F;     // camera above the road
  float horizon = 0.44F;      // row of the horizon as a share of the height
  float defocus = 0;          // blur sigma in 320ths of the width
  float motion = 0;           // motion blur at speed, likewise
  float noise = 0;            // sensor noise, standard deviation of 255
  float exposure = 0;         // spread of the exposure over a drive, in stops
  float cast = 0;             // spread of the colour balance
  float contrast = 1, saturation = 1, brightness = 0;
  float vignette = 0;
  float bloom = 0;    // glare around lights
  float streaks = 0;  // falling rain
  int jpeg = 0;       // quality of a JPEG pass, 0 = none
};

struct Look {
  Crowd crowd;
  Layout layout;
  Light light;
  Lens lens;
};

using LookFactory = Look (*)();
std::span<const config::NameEntry<LookFactory>> look_table();

}  // namespace driftloop::adapt::streetsim
