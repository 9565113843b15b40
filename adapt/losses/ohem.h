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

/// Cross entropy over the hard pixels of (N, C, H, W) logits against (N, H, W) int64 labels, 255 ignored:
/// mean over those kept. Zero (with a gradient of zero) when no pixel is labelled.
torch::Tensor ohem_cross_entropy(const torch::Tensor& logits_nchw, const torch::Tensor& label_nhw,
                                 const OhemOptions& options);

}  // namespace driftloop::adapt
