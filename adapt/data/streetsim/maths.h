// Small vocabulary of the renderer: points, colours and hashed chance. Everything drawn is a pure function of
// hashes, so that a frame needs no history.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <iterator>

#include "config/random.h"

namespace driftloop::adapt::streetsim {

struct Vec3 {
  float x = 0, y = 0, z = 0;
};
inline Vec3 operator+(Vec3 a, Vec3 b) {
  return {a.x + b.x, a.y + b.y, a.z + b.z};
}
inline Vec3 operator-(Vec3 a, Vec3 b) {
  return {a.x - b.x, a.y - b.y, a.z - b.z};
}
inline Vec3 operator*(Vec3 a, float s) {
  return {a.x * s, a.y * s, a.z * s};
}
inline float dot(Vec3 a, Vec3 b) {
  return a.x * b.x + a.y * b.y + a.z * b.z;
}
inline Vec3 cross(Vec3 a, Vec3 b) {
  return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x};
}
inline Vec3 normalised(Vec3 a) {
  return a * (1.0F / std::sqrt(std::max(dot(a, a), 1e-12F)));
}

/// Display-referred colour, 0..1 (above 1 = brighter than white, clipped when the picture is developed).
struct Rgb {
  float r = 0, g = 0, b = 0;
};
inline Rgb operator+(Rgb a, Rgb b) {
  return {a.r + b.r, a.g + b.g, a.b + b.b};
}
inline Rgb operator*(Rgb a, float s) {
  return {a.r * s, a.g * s, a.b * s};
}
inline Rgb operator*(Rgb a, Rgb b) {
  return {a.r * b.r, a.g * b.g, a.b * b.b};
}
inline Rgb mix(Rgb a, Rgb b, float t) {
  return a * (1 - t) + b * t;
}

inline float mix(float a, float b, float t) {
  return a + (b - a) * t;
}
inline float clamp01(float x) {
  return std::min(1.0F, std::max(0.0F, x));
}
inline float smooth(float x) {
  x = clamp01(x);
  return x * x * (3 - 2 * x);
}
/// floor() without the library call that plain x86-64 needs for it; |x| < 2^31.
inline int floor_int(float x) {
  const int whole = static_cast<int>(x);
  return whole - (static_cast<float>(whole) > x ? 1 : 0);
}
inline float fraction(float x) {
  return x - static_cast<float>(floor_int(x));
}

template <class... Keys>
std::uint64_t hash_of(std::uint64_t seed, Keys... keys) {
  ((seed = config::mix64(seed ^ config::mix64(static_cast<std::uint64_t>(keys)))), ...);
  return seed;
}
inline float unit(std::uint64_t hash) {
  return config::unit_float(hash);
}

/// A stream of chance that belongs to one thing in the world, named by its hash.
class Dice {
 public:
  explicit Dice(std::uint64_t hash) : state_(hash) {}
  std::uint64_t bits() { return state_ = config::mix64(state_); }
  float next() { return unit(bits()); }
  float range(float low, float high) { return low + (high - low) * next(); }
  bool chance(float probability) { return next() < probability; }
  int pick(int count) { return std::min(count - 1, static_cast<int>(next() * static_cast<float>(count))); }
  template <class List>
  const auto& of(const List& list) {
    return list[static_cast<std::size_t>(pick(static_cast<int>(std::size(list))))];
  }

 private:
  std::uint64_t state_;
};

}  // namespace driftloop::adapt::streetsim
