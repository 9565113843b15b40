// The consistency loss of method.md 3.3 with the class-wise sampling of 3.4.
#pragma once
#include "adapt/model/segmentation_net.h"
#include "adapt/ranks.h"
#include "adapt/selftrain/pseudo_label.h"

namespace driftloop::adapt {

/// Which pixels of a class are learned from. Both undefined = all.
struct ClassSampling {
  at::Tensor confidence_c;  // q, (C)
  at::Tensor uniform_nhw;   // 0..1, random
};

/// Cross entropy of the student's logits (N, C, h, w), enlarged, against the pseudo-labels (N, H, W), each
/// kept pixel weighted by confidence^power / sum(confidence^power), the sum over all pixels, dropped or not:
/// the fewer are kept, the less the term weighs. Sampling leaves pixels out of both sums: one that the
/// student predicts as class c stays when its random number is at least 1 - (1 - q_c) / max(1 - q).
at::Tensor consistency_loss(const at::Tensor& student_nchw, const PseudoBatch& pseudo,
                            double confidence_power, const ClassSampling& sampling = {},
                            Corners corners = Corners::aligned, const Ranks& ranks = Ranks::alone());

}  // namespace driftloop::adapt
