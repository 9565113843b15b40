// The consistency loss of method.md 3.3.
#pragma once
#include "adapt/selftrain/pseudo_label.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

/// Cross entropy of the student's logits (N, C, H, W) against the pseudo-labels, each kept pixel weighted by
/// confidence^power / sum(confidence^power), the sum over all pixels: the fewer are kept, the less the term
/// weighs.
at::Tensor consistency_loss(const at::Tensor& student_nchw, const PseudoBatch& pseudo,
                            double confidence_power);

}  // namespace driftloop::adapt
