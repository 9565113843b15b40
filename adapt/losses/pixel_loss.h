// The cross entropy of each pixel of an image from logits of a quarter of its size.
#pragma once
#include "adapt/model/segmentation_net.h"

namespace driftloop::adapt {

/// Minus the log probability of `label_nhw` (int64, 255 = none) under the softmax of `logits_nchw` (N, C, h,
/// w), enlarged to the labels as upsample() does: (N, H, W), 0 where there is no label. With a gradient to
/// the logits. On a CPU the enlarged logits are never in memory, and rows without labels cost nothing.
at::Tensor pixel_losses(const at::Tensor& logits_nchw, const at::Tensor& label_nhw, Corners corners);

}  // namespace driftloop::adapt
