// The supervised loss of method.md 3.1.
#pragma once
#include <cstdint>

#include "adapt/torch.h"

namespace driftloop::adapt {

struct OhemOptions {
  double threshold = 0.7;  // pixels whose true-class probability is at most this are hard
  std::int64_t min_kept =
      100'000;  // at least this many hardest pixels are kept; with fewer valid ones all are
};

struct LabelledLosses {
  at::Tensor loss;   // (n) minus the log probability of the true class of each labelled pixel
  at::Tensor label;  // (n)
};
LabelledLosses labelled_losses(const at::Tensor& logits_nchw, const at::Tensor& label_nhw);

/// Cross entropy over the hard pixels of (N, C, H, W) logits against (N, H, W) int64 labels, 255 ignored:
/// mean over those kept, each times `weight_c` of its class where that is given. Zero (with a gradient of
/// zero) when no pixel is labelled.
at::Tensor ohem_cross_entropy(const at::Tensor& logits_nchw, const at::Tensor& label_nhw,
                              const OhemOptions& options, const at::Tensor& weight_c = {});

/// (2, C) double, on the device of the logits, no gradient: over the labelled pixels of each class the sum of
/// their probability of it, and their number.
at::Tensor class_probability_sums(const at::Tensor& logits_nchw, const at::Tensor& label_nhw);

}  // namespace driftloop::adapt
