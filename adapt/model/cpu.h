// Which of the versions of a kernel this machine runs (for_each_cpu.inc).
#pragma once
#include <algorithm>
#include <atomic>

namespace driftloop::adapt {

enum class Cpu { any, avx2, avx512 };

/// The best that this machine has.
inline Cpu best_cpu() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")) return Cpu::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return Cpu::avx2;
#endif
  return Cpu::any;
}

inline std::atomic<Cpu> used_cpu = best_cpu();
inline Cpu cpu() {
  return used_cpu.load(std::memory_order_relaxed);
}
/// For tests and comparisons: no better one than this from now on.
inline void limit_cpu(Cpu most) {
  used_cpu = std::min(most, best_cpu());
}

}  // namespace driftloop::adapt

#if defined(__x86_64__)
#define DRIFTLOOP_BEST(function) \
  (cpu() == Cpu::avx512 ? avx512::function : cpu() == Cpu::avx2 ? avx2::function : any::function)
#else
#define DRIFTLOOP_BEST(function) any::function
#endif
