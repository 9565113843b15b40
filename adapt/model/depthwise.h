// A depthwise convolution as the nets for edge devices use it.
#pragma once
#include "adapt/torch.h"

namespace driftloop::adapt {

struct DepthwisePlace {
  std::int64_t stride = 1, dilation = 1;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;  // zeros
};

/// (N, C, H, W) by `weight` (C, 1, k, k), with gradients. On a CPU, of floats with C >= 16 and a kernel of 3
/// or 5, by kernels of our own (depthwise_kernel.h), channels last; elsewhere by LibTorch's.
at::Tensor depthwise(const at::Tensor& x, const at::Tensor& weight, const DepthwisePlace& place);

}  // namespace driftloop::adapt
