// The consistency loss of method.md 3.3 and the CutMix that makes the strong view.
#pragma once
#include <random>

#include "adapt/torch.h"

namespace driftloop::adapt {

struct PseudoBatch {
  torch::Tensor label_nhw;       // int64, 255 = dropped
  torch::Tensor confidence_nhw;  // the teacher's probability of that label
};

/// Cross entropy of the student's logits (N, C, H, W) against the pseudo-labels, each kept pixel weighted by
/// confidence^power / sum(confidence^power), the sum over all pixels: the fewer are kept, the less the term
/// weighs.
torch::Tensor consistency_loss(const torch::Tensor& student_nchw, const PseudoBatch& pseudo,
                               double confidence_power);

/// Pastes a random box of `share` of the area of image i+1 into image i (the last takes from the first), in
/// place, with one mask for image, label and confidence. A batch of one is pasted from itself, that is,
/// unchanged.
void cutmix(torch::Tensor& image_nchw, PseudoBatch& pseudo, double share, std::mt19937_64& random);

}  // namespace driftloop::adapt
