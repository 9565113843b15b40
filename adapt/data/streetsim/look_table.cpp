#include "adapt/data/streetsim/look.h"

namespace driftloop::adapt::streetsim {
namespace {

/// A European town on a fair day through an ordinary camera.
Look street() {
  Look l;
  l.crowd.truck = 0.05F, l.crowd.parked = 0.36F, l.crowd.traffic = 0.3F, l.crowd.cyclists = 0.3F;
  l.layout.sidewalk_m = 4.8F, l.layout.leaves = {0.28F, 0.41F, 0.18F},
  l.layout.asphalt = {0.42F, 0.42F, 0.43F};
  l.light.ambient = {0.66F, 0.69F, 0.75F}, l.light.sun = {0.68F, 0.6F, 0.46F}, l.light.shadow = 0.5F;
  l.layout.walls = {{0.72F, 0.66F, 0.56F}, {0.62F, 0.58F, 0.55F}, {0.58F, 0.42F, 0.34F},
                    {0.76F, 0.74F, 0.7F},  {0.66F, 0.58F, 0.42F}, {0.5F, 0.5F, 0.52F},
                    {0.7F, 0.6F, 0.54F},   {0.54F, 0.36F, 0.3F}};
  l.layout.roofs = {{0.42F, 0.25F, 0.2F}, {0.3F, 0.3F, 0.32F}, {0.36F, 0.3F, 0.27F}};
  l.layout.cars = {{0.12F, 0.12F, 0.13F}, {0.55F, 0.56F, 0.58F}, {0.8F, 0.8F, 0.8F},   {0.32F, 0.34F, 0.37F},
                   {0.14F, 0.2F, 0.36F},  {0.5F, 0.11F, 0.11F},  {0.22F, 0.27F, 0.22F}};
  l.layout.districts = {1, 1, 1, 0.7F};
  l.lens = {.horizon = 0.49F,
            .defocus = 0.45F,
            .motion = 0.9F,
            .noise = 5.5F,
            .exposure = 0.32F,
            .cast = 0.07F,
            .contrast = 0.98F,
            .saturation = 0.85F,
            .vignette = 0.28F,
            .bloom = 0.1F,
            .jpeg = 72};
  return l;
}

/// Wide streets of another country as a game engine draws them: clean, saturated, evenly lit.
Look game() {
  Look l;
  l.layout.country = 1;
  l.crowd = {.traffic = 0.3F,
             .parked = 0.28F,
             .people = 0.8F,
             .cyclists = 0.14F,
             .trees = 0.85F,
             .furniture = 0.9F,
             .truck = 0.09F,
             .bus = 0.05F,
             .motorcycle = 0.05F,
             .train = 0.3F};
  l.layout.lane_m = 3.5F, l.layout.lanes = 2, l.layout.parking_m = 2.4F, l.layout.sidewalk_m = 4.6F;
  l.layout.centre_line = {0.95F, 0.75F, 0.1F}, l.layout.overhead_lights = 0.85F,
  l.layout.height_scale = 1.35F;
  l.layout.districts = {0.9F, 0.9F, 1.2F, 0.8F};
  l.layout.walls = {{0.93F, 0.82F, 0.6F}, {0.85F, 0.5F, 0.38F}, {0.62F, 0.75F, 0.85F}, {0.95F, 0.92F, 0.85F},
                    {0.6F, 0.72F, 0.6F},  {0.9F, 0.7F, 0.7F},   {0.55F, 0.58F, 0.68F}};
  l.layout.roofs = {{0.75F, 0.32F, 0.2F}, {0.35F, 0.38F, 0.45F}, {0.55F, 0.42F, 0.3F}};
  l.layout.cars = {{0.9F, 0.12F, 0.1F}, {0.1F, 0.35F, 0.85F}, {0.95F, 0.8F, 0.1F}, {0.95F, 0.95F, 0.95F},
                   {0.15F, 0.6F, 0.3F}, {0.1F, 0.1F, 0.12F},  {0.9F, 0.45F, 0.1F}};
  l.layout.leaves = {0.2F, 0.5F, 0.16F}, l.layout.grass = {0.34F, 0.62F, 0.22F};
  l.layout.asphalt = {0.33F, 0.33F, 0.37F}, l.layout.paving = {0.72F, 0.69F, 0.64F};
  l.light.sky_top = {0.2F, 0.5F, 0.95F}, l.light.sky_low = {0.66F, 0.86F, 1.0F}, l.light.clouds = 0.38F;
  l.light.ambient = {0.74F, 0.75F, 0.78F}, l.light.sun = {0.4F, 0.37F, 0.28F}, l.light.sun_height = 1.4F;
  l.light.shadow = 0.35F, l.light.haze_m = 900, l.light.haze = {0.7F, 0.85F, 1.0F}, l.light.texture = 0.22F;
  l.lens = {.focal_widths = 0.85F, .height_m = 1.9F, .horizon = 0.43F, .saturation = 1.15F};
  return l;
}

/// The `street` town after sunset.
Look dusk() {
  Look l = street();
  l.crowd.people = 0.8F, l.crowd.traffic = 0.4F;
  l.light = {.sky_top = {0.28F, 0.25F, 0.46F},
             .sky_low = {0.93F, 0.55F, 0.42F},
             .cloud = {0.5F, 0.32F, 0.4F},
             .clouds = 0.5F,
             .ambient = {0.5F, 0.43F, 0.56F},
             .sun = {0.22F, 0.12F, 0.08F},
             .sun_height = 0.5F,
             .shadow = 0.05F,
             .haze = {0.44F, 0.3F, 0.34F},
             .haze_m = 260,
             .texture = 1,
             .lit_windows = 0.36F,
             .lamps = 1};
  l.lens.noise = 9, l.lens.exposure = 0.3F, l.lens.bloom = 0.55F, l.lens.contrast = 1.02F,
  l.lens.motion = 1.2F, l.lens.jpeg = 68;
  return l;
}

/// The `street` town on a wet grey day.
Look rain() {
  Look l = street();
  l.crowd.people = 0.6F, l.crowd.cyclists = 0.14F;
  l.light = {.sky_top = {0.6F, 0.63F, 0.66F},
             .sky_low = {0.76F, 0.78F, 0.8F},
             .cloud = {0.66F, 0.68F, 0.71F},
             .clouds = 0.6F,
             .ambient = {0.66F, 0.68F, 0.72F},
             .sun = {0.06F, 0.06F, 0.06F},
             .sun_height = 1.5F,
             .shadow = 0.05F,
             .haze = {0.7F, 0.72F, 0.74F},
             .haze_m = 130,
             .texture = 1,
             .lit_windows = 0.12F,
             .lamps = 0.45F,
             .wet = 0.5F};
  l.lens.contrast = 0.82F, l.lens.saturation = 0.65F, l.lens.defocus = 0.7F, l.lens.streaks = 1,
  l.lens.bloom = 0.2F;
  return l;
}

constexpr config::NameEntry<LookFactory> kLooks[] = {
    {"game", "clean, saturated, evenly lit: wide streets of another country as a game engine draws them",
     game},
    {"street", "a European town on a fair day through an ordinary camera: shadows, grain, blur, JPEG",
     street},
    {"dusk", "the same kind of town after sunset: lit windows, lamps and headlights, much noise", dusk},
    {"rain", "the same kind of town on a grey day: a mirroring road, streaks, haze, little contrast", rain},
};

}  // namespace

std::span<const config::NameEntry<LookFactory>> look_table() {
  return kLooks;
}

}  // namespace driftloop::adapt::streetsim
