#include "adapt/model/efficientnet_lite.h"

#include <array>
#include <cmath>
#include <torch/nn/functional.h>

#include "adapt/model/depthwise.h"
#include "adapt/model/traced.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace nn = torch::nn;
namespace {

constexpr NormOptions kNorm{.epsilon = 1e-3, .momentum = 0.03};  // TensorFlow's epsilon; few images a batch
constexpr int kStemChannels = 32;

/// A stage of the published net, before the multipliers.
struct Stage {
  int repeats, kernel, stride, expand, out;
};
constexpr std::array<Stage, 7> kStages = {{{1, 3, 1, 1, 16},
                                           {2, 3, 2, 6, 24},
                                           {2, 5, 2, 6, 40},
                                           {3, 3, 2, 6, 80},
                                           {3, 5, 1, 6, 112},
                                           {4, 5, 2, 6, 192},
                                           {1, 3, 1, 6, 320}}};

/// To a multiple of 8, never down by more than a tenth (the published rule).
int scaled(int channels, double width) {
  const double wanted = channels * width;
  const int rounded = std::max(8, static_cast<int>(wanted + 4) / 8 * 8);
  return rounded < 0.9 * wanted ? rounded + 8 : rounded;
}

/// TensorFlow's "same" padding: of an odd amount the larger half goes right and below.
DepthwisePlace same_place(const at::Tensor& x, const nn::Conv2d& conv) {
  const auto& o = conv->options;
  const std::int64_t stride = o.stride()->at(0), dilation = o.dilation()->at(0);
  const std::int64_t span = (o.kernel_size()->at(0) - 1) * dilation + 1;
  const auto amount = [&](std::int64_t size) {
    return std::max<std::int64_t>(((size + stride - 1) / stride - 1) * stride + span - size, 0);
  };
  const auto rows = amount(x.size(2)), columns = amount(x.size(3));
  return {stride, dilation, rows / 2, rows - rows / 2, columns / 2, columns - columns / 2};
}

nn::Conv2d make_conv(int in, int out, int kernel, int stride, int dilation, int groups) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).stride(stride).dilation(dilation).groups(groups).bias(false));
}

/// Inverted residual: 1x1 up, depthwise, 1x1 down.
struct BlockImpl : nn::Module {
  explicit BlockImpl(const EfficientNetLiteImpl::BlockShape& shape) : s(shape) {
    const int middle = s.in * s.expand;
    if (s.expand > 1) {
      expand = register_module("_expand_conv", make_conv(s.in, middle, 1, 1, 1, 1));
      expand_norm = register_module("_bn0", Norm(middle, kNorm));
    }
    depthwise =
        register_module("_depthwise_conv", make_conv(middle, middle, s.kernel, s.stride, s.dilation, middle));
    depthwise_norm = register_module("_bn1", Norm(middle, kNorm));
    project = register_module("_project_conv", make_conv(middle, s.out, 1, 1, 1, 1));
    project_norm = register_module("_bn2", Norm(s.out, kNorm));
  }

  at::Tensor forward(const at::Tensor& x) {
    auto y = expand ? expand_norm->run(pointwise(x, expand->weight), Activation::relu6) : x;
    y = depthwise_norm->run(adapt::depthwise(y, depthwise->weight, same_place(y, depthwise)),
                            Activation::relu6);
    y = project_norm(pointwise(y, project->weight));
    return s.stride == 1 && s.in == s.out ? x + y : y;
  }

  EfficientNetLiteImpl::BlockShape s;
  nn::Conv2d expand{nullptr}, depthwise{nullptr}, project{nullptr};
  Norm expand_norm{nullptr}, depthwise_norm{nullptr}, project_norm{nullptr};
};
TORCH_MODULE(Block);

}  // namespace

at::Tensor pointwise(const at::Tensor& x, const at::Tensor& weight) {
  constexpr std::int64_t kBatchForOneDnn = 16;
  if (!x.is_cpu() || x.size(0) >= kBatchForOneDnn || is_traced()) return at::conv2d(x, weight);
  const auto n = x.size(0), c = x.size(1), h = x.size(2), w = x.size(3);
  const auto rows = x.permute({0, 2, 3, 1}).reshape({n * h, 1, w, c}).permute({0, 3, 1, 2});
  return at::conv2d(rows, weight).permute({0, 2, 3, 1}).reshape({n, h, w, -1}).permute({0, 3, 1, 2});
}

EfficientNetLiteImpl::EfficientNetLiteImpl(const EfficientNetShape& shape, int output_stride) {
  DL_CHECK(output_stride == 8 || output_stride == 16, output_stride);
  stem_ = register_module("_conv_stem", make_conv(3, kStemChannels, 3, 2, 1, 1));
  stem_norm_ = register_module("_bn0", Norm(kStemChannels, kNorm));
  int in = kStemChannels, stride = 2, dilation = 1;
  for (std::size_t i = 0; i < kStages.size(); ++i) {
    const Stage& stage = kStages[i];
    const bool fixed = i == 0 || i + 1 == kStages.size();
    const int repeats = fixed ? stage.repeats : static_cast<int>(std::ceil(stage.repeats * shape.depth));
    const int out = scaled(stage.out, shape.width);
    for (int r = 0; r < repeats; ++r) {
      int step = r == 0 ? stage.stride : 1;
      // The block that gives up its stride still sees the map before it.
      const int own_dilation = dilation;
      if (step * stride > output_stride) {
        dilation *= step;
        step = 1;
      }
      stride *= step;
      shapes_.push_back({stage.kernel, step, stage.expand, in, out, own_dilation});
      in = out;
    }
    if (i == 1) stride4_block_ = shapes_.size() - 1;
    if (i == 2) stride8_block_ = shapes_.size() - 1;
  }
  channels_ = {shapes_[stride4_block_].out, shapes_[stride8_block_].out, in};
  for (const auto& block : shapes_) blocks_->push_back(Block(block));
  register_module("_blocks", blocks_);
}

std::vector<at::Tensor> EfficientNetLiteImpl::stride4_parameters() const {
  std::vector<at::Tensor> all = stem_->parameters();
  const auto add = [&](const torch::nn::Module& module) {
    for (const auto& parameter : module.parameters()) all.push_back(parameter);
  };
  add(*stem_norm_);
  for (std::size_t i = 0; i <= stride4_block_; ++i) add(*blocks_->ptr(i));
  return all;
}

BackboneMaps EfficientNetLiteImpl::forward(const at::Tensor& image_nchw) {
  const auto place = same_place(image_nchw, stem_);
  const auto padded =
      at::constant_pad_nd(image_nchw, {place.pad_left, place.pad_right, place.pad_top, place.pad_bottom});
  auto y = stem_norm_->run(at::conv2d(padded, stem_->weight, {}, place.stride), Activation::relu6);
  BackboneMaps maps;
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    y = blocks_->ptr<BlockImpl>(i)->forward(y);
    if (i == stride4_block_) maps.stride4 = y;
    if (i == stride8_block_) maps.stride8 = y;
  }
  maps.last = y;
  return maps;
}

}  // namespace driftloop::adapt
