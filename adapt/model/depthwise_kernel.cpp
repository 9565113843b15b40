#include "adapt/model/depthwise_kernel.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#define DRIFTLOOP_KERNEL "adapt/model/depthwise_kernel.inc"
#include "adapt/model/for_each_cpu.inc"

namespace driftloop::adapt {

void depthwise_rows(const DepthwiseShape& shape, const float* x, const float* weight, float* y, long begin,
                    long end) {
  DRIFTLOOP_BEST(depthwise_rows)(shape, x, weight, y, begin, end);
}

void depthwise_input_gradient(const DepthwiseShape& shape, const float* dy, const float* weight, float* dx,
                              long begin, long end) {
  DRIFTLOOP_BEST(depthwise_input_gradient)(shape, dy, weight, dx, begin, end);
}

void depthwise_weight_gradient(const DepthwiseShape& shape, const float* dy, const float* x, float* dweight,
                               long begin, long end) {
  DRIFTLOOP_BEST(depthwise_weight_gradient)(shape, dy, x, dweight, begin, end);
}

}  // namespace driftloop::adapt
