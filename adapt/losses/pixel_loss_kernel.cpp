#include "adapt/losses/pixel_loss_kernel.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#define DRIFTLOOP_KERNEL "adapt/losses/pixel_loss_kernel.inc"
#include "adapt/model/for_each_cpu.inc"

namespace driftloop::adapt {

void pixel_loss_forward(const PixelLossShape& shape, const float* logits, const std::int64_t* label,
                        float* loss) {
  DRIFTLOOP_BEST(pixel_loss_forward)(shape, logits, label, loss);
}

void pixel_loss_backward(const PixelLossShape& shape, const float* logits, const std::int64_t* label,
                         const float* dloss, float* dlogits) {
  DRIFTLOOP_BEST(pixel_loss_backward)(shape, logits, label, dloss, dlogits);
}

}  // namespace driftloop::adapt
