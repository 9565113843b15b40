// Randomness that gives the same regions on every machine: the standard library's engines are portable, its
// distributions and std::shuffle are not.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>

namespace driftloop::adapt {

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

/// 0 <= value < 1 with 24 bits, exact in a float.
constexpr float unit_float(std::uint64_t bits) {
  return static_cast<float>(bits >> 40) * 0x1p-24F;
}

class SeededRng {
 public:
  explicit SeededRng(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() { return mix64(state_++); }
  /// 0 <= value < bound; bound > 0. The bias is below bound / 2^64.
  std::uint64_t below(std::uint64_t bound) {
    return static_cast<std::uint64_t>((static_cast<unsigned __int128>(next()) * bound) >> 64);
  }
  template <class Container>
  void shuffle(Container& items) {
    for (std::uint64_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::uint64_t state_;
};

}  // namespace driftloop::adapt
