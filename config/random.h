// Randomness that is the same on every machine and in every version: the standard library's engines are
// portable, its distributions and std::shuffle are not, and neither is OpenCV's.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>

namespace driftloop::config {

/// SplitMix64's mixing function (Steele, Lea, Flood 2014): a good 64-bit hash of one number.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15ULL;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

/// FNV-1a, so that a frame's randomness follows its id and not its place in the pool.
constexpr std::uint64_t hash_text(std::string_view text, std::uint64_t seed) {
  std::uint64_t hash = 0xcbf29ce484222325ULL ^ mix64(seed);
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return mix64(hash);
}

/// A seed of its own for each combination of keys (a step, a slot of its batch, a use of randomness).
template <class... Keys>
constexpr std::uint64_t mixed_seed(std::uint64_t seed, Keys... keys) {
  ((seed = mix64(seed ^ mix64(static_cast<std::uint64_t>(keys)))), ...);
  return seed;
}

/// 0 <= value < 1 with 24 bits, exact in a float.
constexpr float unit_float(std::uint64_t bits) {
  return static_cast<float>(bits >> 40) * 0x1p-24F;
}

class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) : state_(seed) {}
  constexpr std::uint64_t next() { return mix64(state_++); }
  /// 0 <= value < bound; bound > 0. The bias is below bound / 2^64.
  constexpr std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  /// low <= value <= high.
  template <class Int>
  constexpr Int between(Int low, Int high) {
    return low + static_cast<Int>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  /// low <= value < high, 53 bits.
  constexpr double uniform(double low, double high) {
    return low + (high - low) * (static_cast<double>(next() >> 11) * 0x1p-53);
  }
  constexpr bool chance(double probability) { return uniform(0, 1) < probability; }
  /// Mean 0, standard deviation 1, nearly normal (the sum of four uniform numbers: within 3.5 deviations).
  constexpr float near_normal() {
    const std::uint64_t bits = next();
    const auto sum = (bits & 0xffff) + ((bits >> 16) & 0xffff) + ((bits >> 32) & 0xffff) + (bits >> 48);
    constexpr float kMean = 2 * 65535.0F, kDeviation = 37837.227F;  // of the sum: 65536 / sqrt(3)
    return (static_cast<float>(sum) - kMean) / kDeviation;
  }
  template <class Container>
  constexpr void shuffle(Container& items) {
    for (std::uint64_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace driftloop::config
