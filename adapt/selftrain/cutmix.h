// The strong view of unlabelled images: pieces of one pasted into another.
#pragma once
#include "adapt/selftrain/pseudo_label.h"
#include "adapt/torch.h"
#include "config/random.h"

namespace driftloop::adapt {

/// Pastes a random box of `share` of the area of image i+1 into image i (the last takes from the first), in
/// place, with one mask for image (N, H, W, 3), label and confidence. A batch of one is pasted from itself,
/// that is, unchanged.
void cutmix(at::Tensor& image_nhwc, PseudoBatch& pseudo, double share, config::Random& random);

}  // namespace driftloop::adapt
