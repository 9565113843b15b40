// What is put on the stage, part by part. Every part looks only at the plan and at hashes of places, so
// that a thing is the same thing in every frame that shows it.
#pragma once
#include "adapt/data/streetsim/shapes.h"

namespace driftloop::adapt::streetsim {

/// What hashes are for: one number per kind of choice, so that choices do not depend on each other.
enum class Topic : int {
  lots = 100,
  trees,
  lamps,
  signs,
  parked,
  racks,
  lanes,
  cyclists,
  walkers,
  crossers,
  waiting,
  trains,
  skyline,
  lights,
  clutter
};

/// A run of street at one side, from z0 to z1.
struct Side {
  const Block* block;
  float sign;  // -1 left, +1 right
  std::uint64_t key(const Plan& plan, Topic topic) const {
    return hash_of(plan.seed(), int(topic), block->index, sign > 0 ? 1 : 0);
  }
};

void draw_ground(Stage& stage, const Block& block);
void draw_skyline(Stage& stage);
void draw_buildings(Stage& stage, const Side& side);
void draw_greenery(Stage& stage, const Side& side);    // street trees
void draw_furniture(Stage& stage, const Side& side);   // lamps, signs, bollards
void draw_crossing(Stage& stage, const Block& block);  // lights, people and vehicles at its far end
void draw_parked(Stage& stage, const Side& side);
void draw_traffic(Stage& stage);  // everything that drives
void draw_walkers(Stage& stage);

/// Parts used by several of the above.
void draw_tree(Stage& stage, const Pose& pose, Dice dice);
void draw_hedge(Stage& stage, float lateral, double z0, double z1, float height_m, std::uint64_t key);
/// Vertical panels along the street: fence or wall.
void draw_panels(Stage& stage, float lateral, double z0, double z1, float height_m, const Surface& surface);

enum class Vehicle { car, truck, bus, train, motorcycle, bicycle };
enum class Rider { absent, present };
/// Width, length and height in metres are those returned; the pose is the middle of its footprint.
void draw_vehicle(Stage& stage, Vehicle kind, Rider rider, const Pose& pose, Dice dice);
/// `stride` is the phase of the walk in steps.
void draw_person(Stage& stage, const Pose& pose, Dice dice, float stride);

}  // namespace driftloop::adapt::streetsim
