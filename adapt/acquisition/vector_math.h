// exp and log that a compiler can vectorise (the library's are calls, one number each), and the mark that
// builds a function once for each kind of processor and picks at start-up.
#pragma once
#include <cstdint>

// Without the mark a function is built for the processor that all of the program asks for; on arm64 that has
// vectors. Clang and the sanitisers do without: their start-up does not bear the picking. The levels say what
// a processor can do; a maker's name ("haswell") would be taken for that maker's own processors alone.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if __GNUC__ >= 12
#define DL_EACH_CPU __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define DL_EACH_CPU __attribute__((target_clones("avx512f", "avx2", "default")))
#endif
#else
#define DL_EACH_CPU
#endif
#define DL_INLINE inline __attribute__((always_inline))

namespace driftloop::adapt {

/// 2^x for x <= 0 (below -126 that of -126): relative error at most 3e-7.
DL_INLINE float exp2_below_0(float x) {
  constexpr float kRound = 12582912.0F;  // 1.5 x 2^23: adding it leaves the nearest integer in the low bits
  x = x > -126.0F ? x : -126.0F;
  const float shifted = x + kRound;
  const float r = x - (shifted - kRound);
  // The polynomial of the least largest relative error on |r| <= 1/2.
  float p = 1.32764586e-3F;
  p = p * r + 9.67554466e-3F;
  p = p * r + 5.55071334e-2F;
  p = p * r + 2.40221197e-1F;
  p = p * r + 6.93146967e-1F;
  p = p * r + 1.00000007F;
  const auto exponent = __builtin_bit_cast(std::int32_t, shifted) << 23;
  return __builtin_bit_cast(float, __builtin_bit_cast(std::int32_t, p) + exponent);
}

/// log2(x) for a positive, normal x: error at most 5e-7 + 1e-7 of the result.
DL_INLINE float log2_of_positive(float x) {
  // x = (1 + m) 2^e with 1 + m in [sqrt(1/2), sqrt(2)).
  constexpr std::int32_t kRootHalf = 0x3f3504f3;
  const std::int32_t bits = __builtin_bit_cast(std::int32_t, x) - kRootHalf;
  const auto e = static_cast<float>(bits >> 23);
  const float m = __builtin_bit_cast(float, (bits & 0x007fffff) + kRootHalf) - 1.0F;
  // log2(1 + m) / m by the polynomial of the least largest absolute error of its product with m.
  float p = 1.70634011e-1F;
  p = p * m - 2.72698041e-1F;
  p = p * m + 2.97262550e-1F;
  p = p * m - 3.58961847e-1F;
  p = p * m + 4.80465068e-1F;
  p = p * m - 7.21375872e-1F;
  p = p * m + 1.44269972F;
  return p * m + e;
}

}  // namespace driftloop::adapt
