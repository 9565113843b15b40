// Means over the pixels of all ranks: a step of several ranks is the step of their images in one batch.
#pragma once
#include "adapt/ranks.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

/// sum / count, of one rank. Of several: `sum` x the number of ranks / the sum of their counts, so that the
/// mean over the ranks (which gradients and reports become) is the mean over all pixels. `least` in the place
/// of a smaller count. All ranks call it, those without anything to count with zeros.
inline at::Tensor mean_over_ranks(const at::Tensor& sum, const at::Tensor& count, double least,
                                  const Ranks& ranks) {
  if (ranks.count() == 1) return sum / count.clamp_min(least);
  auto all = count.detach().to(at::kDouble).view({1});
  ranks.sum(all);
  return sum * (ranks.count() / all.clamp_min(least)).to(sum.scalar_type()).squeeze(0);
}

/// What a rank without anything to count does in its place.
inline void nothing_over_ranks(const Ranks& ranks, torch::Device device) {
  if (ranks.count() == 1) return;
  auto none = at::zeros({1}, at::TensorOptions(at::kDouble).device(device));
  ranks.sum(none);
}

}  // namespace driftloop::adapt
