// What one training step eats.
#pragma once
#include "adapt/torch.h"

namespace driftloop::adapt {

/// Tensors on the CPU: images (N, H, W, 3) uint8, labels (N, H, W) int64 with 255 where nothing is known. Any
/// part may be undefined (absent).
struct Batch {
  at::Tensor source_image, source_label;
  at::Tensor target_image, target_label;  // returned regions, 255 elsewhere
  at::Tensor weak_image, strong_image;    // unlabelled: what the teacher and what the student sees of a crop
};

}  // namespace driftloop::adapt
