// ResNet-18/34/50/101/152 with a deep stem and dilations, as in the released code of STAL; parameter names
// equal its own.
#pragma once
#include <array>
#include <torch/nn/modules.h>

#include "adapt/model/norm.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

struct ResNetShape {
  bool bottleneck;
  std::array<int, 4> blocks;
};

struct ResNetOptions {
  ResNetShape shape;
  double width = 1.0;
  int output_stride = 8;
};

/// Channels after the width multiplier: at least 8, a multiple of 8 when shrunk.
int scaled_channels(int channels, double width);

class ResNetImpl : public torch::nn::Module {
 public:
  explicit ResNetImpl(const ResNetOptions& options);
  /// The outputs of layer1 (stride 4) to layer4 (stride `output_stride`).
  std::array<torch::Tensor, 4> forward(const torch::Tensor& image_nchw);
  std::vector<torch::Tensor> stride4_parameters() const;
  int layer_channels(int layer) const { return channels_.at(static_cast<std::size_t>(layer)); }

 private:
  torch::nn::Sequential make_layer(const ResNetOptions& options, int layer, bool dilate);

  int in_channels_ = 0;
  int dilation_ = 1;
  std::array<int, 4> channels_{};
  torch::nn::Sequential stem_{nullptr};
  Norm bn1_{nullptr};
  std::array<torch::nn::Sequential, 4> layers_{torch::nn::Sequential{nullptr}, torch::nn::Sequential{nullptr},
                                               torch::nn::Sequential{nullptr},
                                               torch::nn::Sequential{nullptr}};
};
TORCH_MODULE(ResNet);

}  // namespace driftloop::adapt
