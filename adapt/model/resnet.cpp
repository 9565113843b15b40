#include "adapt/model/resnet.h"

#include <cmath>
#include <torch/nn/functional.h>

#include "config/check.h"

namespace driftloop::adapt {
namespace nn = torch::nn;
namespace {

nn::Conv2d conv3x3(int in, int out, int stride, int dilation) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, 3).stride(stride).padding(dilation).dilation(dilation).bias(false));
}
nn::Conv2d conv1x1(int in, int out, int stride) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, 1).stride(stride).bias(false));
}

struct BlockOptions {
  int in;
  int planes;
  int stride;
  int dilation;
  nn::Sequential downsample;  // null when the shortcut is the identity
};

/// Two 3x3 convolutions. The released code has no dilated basic block; here both convolutions carry the
/// dilation.
struct BasicBlockImpl : nn::Module {
  explicit BasicBlockImpl(const BlockOptions& o)
      : conv1(register_module("conv1", conv3x3(o.in, o.planes, o.stride, o.dilation))),
        bn1(register_module("bn1", Norm(o.planes, NormOptions{}))),
        conv2(register_module("conv2", conv3x3(o.planes, o.planes, 1, o.dilation))),
        bn2(register_module("bn2", Norm(o.planes, NormOptions{}))) {
    if (o.downsample) downsample = register_module("downsample", o.downsample);
  }
  torch::Tensor forward(const torch::Tensor& x) {
    auto y = bn1->run(conv1(x), Activation::relu);
    y = bn2(conv2(y));
    return torch::relu_(y.add_(downsample ? downsample->forward(x) : x));
  }
  nn::Conv2d conv1;
  Norm bn1;
  nn::Conv2d conv2;
  Norm bn2;
  nn::Sequential downsample{nullptr};
};
TORCH_MODULE(BasicBlock);

constexpr int kExpansion = 4;

struct BottleneckImpl : nn::Module {
  explicit BottleneckImpl(const BlockOptions& o)
      : conv1(register_module("conv1", conv1x1(o.in, o.planes, 1))),
        bn1(register_module("bn1", Norm(o.planes, NormOptions{}))),
        conv2(register_module("conv2", conv3x3(o.planes, o.planes, o.stride, o.dilation))),
        bn2(register_module("bn2", Norm(o.planes, NormOptions{}))),
        conv3(register_module("conv3", conv1x1(o.planes, o.planes * kExpansion, 1))),
        bn3(register_module("bn3", Norm(o.planes * kExpansion, NormOptions{}))) {
    if (o.downsample) downsample = register_module("downsample", o.downsample);
  }
  torch::Tensor forward(const torch::Tensor& x) {
    auto y = bn1->run(conv1(x), Activation::relu);
    y = bn2->run(conv2(y), Activation::relu);
    y = bn3(conv3(y));
    return torch::relu_(y.add_(downsample ? downsample->forward(x) : x));
  }
  nn::Conv2d conv1;
  Norm bn1;
  nn::Conv2d conv2;
  Norm bn2;
  nn::Conv2d conv3;
  Norm bn3;
  nn::Sequential downsample{nullptr};
};
TORCH_MODULE(Bottleneck);

constexpr std::array<int, 4> kPlanes = {64, 128, 256, 512};
constexpr std::array<int, 3> kMultiGrid = {2, 2, 4};  // of layer4; released code

/// Kaiming normal, fan-out, for convolutions; the last BN of each residual branch starts at 0 (method.md
/// section 1).
void initialise(nn::Module& root) {
  for (auto& module :
       root.modules(/*include_self=*/false)) {  // a constructor has no shared pointer to itself yet
    if (auto* conv = module->as<nn::Conv2dImpl>())
      nn::init::kaiming_normal_(conv->weight, 0.0, torch::kFanOut, torch::kReLU);
    if (auto* block = module->as<BasicBlockImpl>()) nn::init::zeros_(block->bn2->weight);
    if (auto* block = module->as<BottleneckImpl>()) nn::init::zeros_(block->bn3->weight);
  }
}

}  // namespace

int scaled_channels(int channels, double width) {
  if (width == 1.0) return channels;
  return std::max(8, static_cast<int>(std::lround(channels * width / 8.0)) * 8);
}

ResNetImpl::ResNetImpl(const ResNetOptions& options) {
  DL_CHECK(options.output_stride == 8 || options.output_stride == 16, options.output_stride);
  const int half = scaled_channels(64, options.width), full = scaled_channels(128, options.width);
  stem_ = register_module(
      "conv1", nn::Sequential(nn::Conv2d(nn::Conv2dOptions(3, half, 3).stride(2).padding(1).bias(false)),
                              Norm(half, NormOptions{}), nn::ReLU(), conv3x3(half, half, 1, 1),
                              Norm(half, NormOptions{}), nn::ReLU(), conv3x3(half, full, 1, 1)));
  bn1_ = register_module("bn1", Norm(full, NormOptions{}));
  in_channels_ = full;
  for (int layer = 0; layer < 4; ++layer) {
    const bool dilate = layer == 3 || (layer == 2 && options.output_stride == 8);
    layers_[static_cast<std::size_t>(layer)] =
        register_module("layer" + std::to_string(layer + 1), make_layer(options, layer, dilate));
    channels_[static_cast<std::size_t>(layer)] = in_channels_;
  }
  torch::NoGradGuard no_grad;
  initialise(*this);
}

nn::Sequential ResNetImpl::make_layer(const ResNetOptions& options, int layer, bool dilate) {
  const auto index = static_cast<std::size_t>(layer);
  const int planes = scaled_channels(kPlanes[index], options.width);
  const int out = planes * (options.shape.bottleneck ? kExpansion : 1);
  int stride = layer == 0 ? 1 : 2;
  const int first_dilation = dilation_;
  if (dilate) {
    dilation_ *= stride;
    stride = 1;
  }
  const auto grid = [&](int block) {
    return layer == 3 ? kMultiGrid[static_cast<std::size_t>(std::min(block, 2))] : 1;
  };
  nn::Sequential blocks;
  for (int block = 0; block < options.shape.blocks[index]; ++block) {
    BlockOptions o{in_channels_, planes, block == 0 ? stride : 1,
                   (block == 0 ? first_dilation : dilation_) * grid(block), nn::Sequential{nullptr}};
    if (block == 0 && (stride != 1 || in_channels_ != out))
      o.downsample = nn::Sequential(conv1x1(in_channels_, out, stride), Norm(out, NormOptions{}));
    if (options.shape.bottleneck)
      blocks->push_back(Bottleneck(o));
    else
      blocks->push_back(BasicBlock(o));
    in_channels_ = out;
  }
  return blocks;
}

std::vector<torch::Tensor> ResNetImpl::stride4_parameters() const {
  std::vector<torch::Tensor> all;
  for (const torch::nn::Module* module :
       {static_cast<const torch::nn::Module*>(stem_.get()), static_cast<const torch::nn::Module*>(bn1_.get()),
        static_cast<const torch::nn::Module*>(layers_[0].get())})
    for (const auto& parameter : module->parameters()) all.push_back(parameter);
  return all;
}

std::array<torch::Tensor, 4> ResNetImpl::forward(const torch::Tensor& image_nchw) {
  auto x = bn1_->run(stem_->forward(image_nchw), Activation::relu);
  x = torch::max_pool2d(x, 3, 2, 1, 1, /*ceil_mode=*/true);
  std::array<torch::Tensor, 4> outputs;
  for (std::size_t layer = 0; layer < 4; ++layer) outputs[layer] = x = layers_[layer]->forward(x);
  return outputs;
}

}  // namespace driftloop::adapt
