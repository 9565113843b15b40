// The CPU kernels of pixel_loss.h, for one image: logits (h, w, C) contiguous floats, labels (H, W). No
// LibTorch here.
#pragma once
#include <cstdint>

namespace driftloop::adapt {

struct PixelLossShape {
  long classes, in_height, in_width, height, width;
  bool corners_aligned;
};

/// loss (H, W); 0 where the label is not a class.
void pixel_loss_forward(const PixelLossShape& shape, const float* logits, const std::int64_t* label,
                        float* loss);
/// dlogits (h, w, C), zero before the call, += the gradient for dloss (H, W).
void pixel_loss_backward(const PixelLossShape& shape, const float* logits, const std::int64_t* label,
                         const float* dloss, float* dlogits);

}  // namespace driftloop::adapt
