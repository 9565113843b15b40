// RIPU's region score (Xie et al., CVPR 2022, eq. 3-5): region impurity x prediction uncertainty over a
// square window.
#pragma once
#include <ATen/core/Tensor.h>

#include "adapt/acquisition/options.h"
#include "adapt/acquisition/strategy.h"
#include "adapt/acquisition/window.h"

namespace driftloop::adapt {

/// H / log C of every pixel with the published epsilon, -sum p log(p + 1e-6): (C, H, W) -> (H, W), any
/// device.
at::Tensor normalised_entropy(const at::Tensor& prob_chw);

/// Float maps on the CPU, (out_height, out_width) of the WindowGrid.
struct RegionScore {
  at::Tensor impurity;     // entropy of the window's histogram of predicted classes / log C
  at::Tensor uncertainty;  // window mean of H / log C
  at::Tensor score;        // their product
};

/// `prob_chw` float, on the CPU or a CUDA device; side 1..kMaxRegionPx, C 2..255. On a GPU, in a build with
/// the kernels, the maps are made by region_score.cu; else by the CPU code, its declared twin: they agree to
/// float rounding.
RegionScore region_score(const at::Tensor& prob_chw, int side, Border border);

/// From the net's own logits, where the prediction has them, without a map of probabilities (pixel_maps.h).
RegionScore region_score(const Prediction& prediction, int side, Border border);

/// The score of that alone. On the CPU neither of the other maps is written: a few rows of them after the
/// other.
at::Tensor score_alone(const Prediction& prediction, int side, Border border);

/// The CPU twin, whatever the device.
RegionScore region_score_cpu(const at::Tensor& prob_chw, int side, Border border);

}  // namespace driftloop::adapt
