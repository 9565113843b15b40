#include "adapt/acquisition/window_kernel.h"

#include <algorithm>
#include <cstring>

namespace driftloop::adapt {
namespace {
constexpr float kLogEpsilon = 1e-6F;
}
}  // namespace driftloop::adapt

#define DRIFTLOOP_KERNEL "adapt/acquisition/window_kernel.inc"
#include "adapt/model/for_each_cpu.inc"

namespace driftloop::adapt {

void running_counts(const std::uint8_t* counts, long n, std::uint8_t* sums) {
  DRIFTLOOP_BEST(running_counts_8)(counts, n, sums);
}

void running_counts(const std::uint16_t* counts, long n, std::uint16_t* sums) {
  DRIFTLOOP_BEST(running_counts_16)(counts, n, sums);
}

void running_counts(const std::uint16_t* counts, long n, std::int32_t* sums) {
  DRIFTLOOP_BEST(running_counts_32)(counts, n, sums);
}

bool slide_counts(std::uint8_t* counts, const std::uint8_t* in, const std::uint8_t* out, long n,
                  std::uint8_t c) {
  return DRIFTLOOP_BEST(slide_counts_8)(counts, in, out, n, c);
}

bool slide_counts(std::uint16_t* counts, const std::uint8_t* in, const std::uint8_t* out, long n,
                  std::uint8_t c) {
  return DRIFTLOOP_BEST(slide_counts_16)(counts, in, out, n, c);
}

void running_sums(const double* values, long n, double* sums) {
  DRIFTLOOP_BEST(running_sums)(values, n, sums);
}

void add_row(double* columns, const float* row, double sign, long n) {
  DRIFTLOOP_BEST(add_row)(columns, row, sign, n);
}

void window_means(const double* first, long side, const float* share, long n, float* out) {
  DRIFTLOOP_BEST(window_means)(first, side, share, n, out);
}

int table_window_pixels() {
  return DRIFTLOOP_BEST(kTableWindowPixels);
}

void window_entropies_by_table(const std::uint8_t* const* first_of_class, int classes, long side,
                               const float* term, float* out) {
  DRIFTLOOP_BEST(window_entropies_by_table)(first_of_class, classes, side, term, out);
}

void window_entropies(const std::uint8_t* const* first_of_class, int classes, long side, const float* share,
                      float scale, float* out) {
  DRIFTLOOP_BEST(window_entropies_8)(first_of_class, classes, side, share, scale, out);
}

void window_entropies(const std::uint16_t* const* first_of_class, int classes, long side, const float* share,
                      float scale, float* out) {
  DRIFTLOOP_BEST(window_entropies_16)(first_of_class, classes, side, share, scale, out);
}

void window_entropies(const std::int32_t* const* first_of_class, int classes, long side, const float* share,
                      float scale, float* out) {
  DRIFTLOOP_BEST(window_entropies_32)(first_of_class, classes, side, share, scale, out);
}

}  // namespace driftloop::adapt
