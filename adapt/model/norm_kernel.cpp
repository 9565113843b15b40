#include "adapt/model/norm_kernel.h"

#include <algorithm>
#include <cstring>
#include <vector>

#define DRIFTLOOP_KERNEL "adapt/model/norm_kernel.inc"
#include "adapt/model/for_each_cpu.inc"

namespace driftloop::adapt {

void norm_sums(const float* x, long pixels, long channels, const float* shift, double* sum, double* square) {
  DRIFTLOOP_BEST(norm_sums)(x, pixels, channels, shift, sum, square);
}

void norm_apply(const float* x, long pixels, long channels, const float* scale, const float* offset,
                Clamp clamp, float* y) {
  DRIFTLOOP_BEST(norm_apply)(x, pixels, channels, scale, offset, clamp, y);
}

void norm_gradient_sums(const float* dy, const float* x, long pixels, long channels, const float* scale,
                        const float* offset, Clamp clamp, const float* shift, double* sum, double* product) {
  DRIFTLOOP_BEST(norm_gradient_sums)(dy, x, pixels, channels, scale, offset, clamp, shift, sum, product);
}

void norm_input_gradient(const float* dy, const float* x, long pixels, long channels, const float* scale,
                         const float* offset, Clamp clamp, const float* slope, const float* constant,
                         float* dx) {
  DRIFTLOOP_BEST(norm_input_gradient)(dy, x, pixels, channels, scale, offset, clamp, slope, constant, dx);
}

}  // namespace driftloop::adapt
