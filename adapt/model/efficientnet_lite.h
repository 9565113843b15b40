// EfficientNet-Lite 0, 1 and 2 (Tan and Le 2019, without squeeze-and-excitation, ReLU6: made for edge
// accelerators) as a backbone, with the parameter names of the published PyTorch weights.
#pragma once
#include <torch/nn/modules.h>
#include <vector>

#include "adapt/model/norm.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

struct EfficientNetShape {
  double width;  // multiplies the channels of all stages, but not of the stem
  double depth;  // multiplies the repeats of all stages but the first and the last
};

struct BackboneMaps {
  at::Tensor stride4, stride8, last;  // (N, c, h, w); the last at the output stride
};

class EfficientNetLiteImpl : public torch::nn::Module {
 public:
  /// `output_stride` 8 or 16: later stages trade their stride for dilation. Throws CheckError.
  EfficientNetLiteImpl(const EfficientNetShape& shape, int output_stride);
  /// Normalised (N, 3, H, W).
  BackboneMaps forward(const at::Tensor& image_nchw);
  std::vector<at::Tensor> stride4_parameters() const;
  int stride4_channels() const { return channels_[0]; }
  int stride8_channels() const { return channels_[1]; }
  int last_channels() const { return channels_[2]; }

  struct BlockShape {
    int kernel, stride, expand, in, out, dilation;
  };

 private:
  std::array<int, 3> channels_{};
  std::size_t stride4_block_ = 0, stride8_block_ = 0;  // after these blocks the maps leave
  std::vector<BlockShape> shapes_;
  torch::nn::ModuleList blocks_;
  torch::nn::Conv2d stem_{nullptr};
  Norm stem_norm_{nullptr};
};
TORCH_MODULE(EfficientNetLite);

/// A 1x1 convolution of (N, C, H, W), channels last, by `weight` (D, C, 1, 1). On a CPU its rows are the
/// batch: with one thread LibTorch takes oneDNN's kernel only from a batch of 16 on.
at::Tensor pointwise(const at::Tensor& x, const at::Tensor& weight);

}  // namespace driftloop::adapt
