// A depthwise convolution and its gradients on a CPU: maps (N, H, W, C), weights (k, k, C), all contiguous
// floats, C >= 16. LibTorch's own backward pass is slow where the convolution is dilated or strided. No
// LibTorch here; the caller spreads rows or channels over threads, and the result does not depend on how.
#pragma once

namespace driftloop::adapt {

struct DepthwiseShape {
  long images, channels;
  long in_height, in_width, out_height, out_width;
  long kernel, stride, dilation;  // kernel 3 or 5
  long pad_top, pad_left;         // zeros; those below and to the right follow from the sizes
};

/// Rows [begin, end) of the images * out_height rows of the output.
void depthwise_rows(const DepthwiseShape& shape, const float* x, const float* weight, float* y, long begin,
                    long end);
/// Rows [begin, end) of the images * in_height rows of the input's gradient.
void depthwise_input_gradient(const DepthwiseShape& shape, const float* dy, const float* weight, float* dx,
                              long begin, long end);
/// Channels [begin, end) of the weights' gradient; at least 16 of them.
void depthwise_weight_gradient(const DepthwiseShape& shape, const float* dy, const float* x, float* dweight,
                               long begin, long end);

}  // namespace driftloop::adapt
