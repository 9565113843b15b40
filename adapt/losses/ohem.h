// The supervised loss of method.md 3.1.
#pragma once
#include <cstdint>

#include "adapt/model/segmentation_net.h"
#include "adapt/ranks.h"

namespace driftloop::adapt {

struct OhemOptions {
  double threshold = 0.7;  // pixels whose true-class probability is at most this are hard
  std::int64_t min_kept =
      100'000;  // at least this many hardest pixels are kept; with fewer valid ones all are
};

/// Cross entropy over the hard pixels of logits (N, C, h, w), enlarged to the (N, H, W) int64 labels, 255
/// ignored: mean over those kept of all ranks (rank_mean.h), each times `weight_c` of its class where that is
/// given; which pixels are hard each rank decides for itself, as the published code does. Zero (with a
/// gradient of zero) when no pixel is labelled. Does not wait for the device.
at::Tensor ohem_cross_entropy(const at::Tensor& logits_nchw, const at::Tensor& label_nhw,
                              const OhemOptions& options, const at::Tensor& weight_c = {},
                              Corners corners = Corners::aligned, const Ranks& ranks = Ranks::alone());

/// (2, C) double, on the device of the logits (as above), no gradient: over the labelled pixels of each class
/// the sum of their probability of it, and their number.
at::Tensor class_probability_sums(const at::Tensor& logits_nchw, const at::Tensor& label_nhw,
                                  Corners corners = Corners::aligned);

}  // namespace driftloop::adapt
