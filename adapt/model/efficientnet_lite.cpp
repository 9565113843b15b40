#include "adapt/model/efficientnet_lite.h"

#include <array>
#include <cmath>

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

/// TensorFlow's "same": of an odd amount of padding the larger half goes right and below.
at::Tensor padded_same(const at::Tensor& x, std::int64_t kernel, std::int64_t stride) {
  const auto amount = [&](std::int64_t size) {
    return std::max<std::int64_t>(((size + stride - 1) / stride - 1) * stride + kernel - size, 0);
  };
  const auto rows = amount(x.size(2)), columns = amount(x.size(3));
  return at::constant_pad_nd(x, {columns / 2, columns - columns / 2, rows / 2, rows - rows / 2});
}

nn::Conv2d make_conv(int in, int out, int kernel, int stride, int dilation, int groups) {
  return nn::Conv2d(nn::Conv2dOptions(in, out, kernel)
                        .stride(stride)
                        .padding(stride == 1 ? dilation * (kernel / 2) : 0)
                        .dilation(dilation)
                        .groups(groups)
                        .bias(false));
}

at::Tensor spatial(nn::Conv2d& conv, const at::Tensor& x) {
  const auto& o = conv->options;
  const std::int64_t stride = o.stride()->at(0);
  return conv->forward(stride == 1 ? x : padded_same(x, o.kernel_size()->at(0), stride));
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

  /// `in_phases`: x is a map split into its dilation^2 phases, where the dilated convolution is a plain one.
  at::Tensor forward(const at::Tensor& x, bool in_phases) {
    auto y = expand ? at::relu6(expand_norm(pointwise(x, expand->weight))) : x;
    y = in_phases ? at::conv2d(y, depthwise->weight, {}, 1, s.kernel / 2, 1, depthwise->weight.size(0))
                  : spatial(depthwise, y);
    y = at::relu6(depthwise_norm(y));
    y = project_norm(pointwise(y, project->weight));
    return s.stride == 1 && s.in == s.out ? x + y : y;
  }

  EfficientNetLiteImpl::BlockShape s;
  nn::Conv2d expand{nullptr}, depthwise{nullptr}, project{nullptr};
  Norm expand_norm{nullptr}, depthwise_norm{nullptr}, project_norm{nullptr};
};
TORCH_MODULE(Block);

/// (N, C, H, W) -> (4N, C, H/2, W/2), one image for each phase of a dilation of 2: oneDNN has no fast
/// backward of a dilated depthwise convolution.
at::Tensor to_phases(const at::Tensor& x) {
  const auto n = x.size(0), c = x.size(1), h = x.size(2) / 2, w = x.size(3) / 2;
  return x.reshape({n, c, h, 2, w, 2})
      .permute({0, 3, 5, 1, 2, 4})
      .reshape({4 * n, c, h, w})
      .contiguous(at::MemoryFormat::ChannelsLast);
}
at::Tensor from_phases(const at::Tensor& x) {
  const auto n = x.size(0) / 4, c = x.size(1), h = x.size(2), w = x.size(3);
  return x.reshape({n, 2, 2, c, h, w})
      .permute({0, 3, 4, 1, 5, 2})
      .reshape({n, c, 2 * h, 2 * w})
      .contiguous(at::MemoryFormat::ChannelsLast);
}

}  // namespace

at::Tensor pointwise(const at::Tensor& x, const at::Tensor& weight) {
  constexpr std::int64_t kBatchForOneDnn = 16;
  if (!x.is_cpu() || x.size(0) >= kBatchForOneDnn) return at::conv2d(x, weight);
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

BackboneMaps EfficientNetLiteImpl::forward(const at::Tensor& image_nchw) {
  auto y = at::relu6(stem_norm_(spatial(stem_, image_nchw)));
  BackboneMaps maps;
  bool in_phases = false;
  for (std::size_t i = 0; i < shapes_.size(); ++i) {
    const bool dilated_from_here = shapes_[i].dilation == 2;
    if (!in_phases && dilated_from_here && is_training() && y.is_cpu() && y.size(2) % 2 == 0 &&
        y.size(3) % 2 == 0) {
      y = to_phases(y);
      in_phases = true;
    } else if (in_phases && !dilated_from_here) {
      y = from_phases(y);
      in_phases = false;
    }
    y = blocks_->ptr<BlockImpl>(i)->forward(y, in_phases);
    if (i == stride4_block_) maps.stride4 = y;
    if (i == stride8_block_) maps.stride8 = y;
  }
  maps.last = in_phases ? from_phases(y) : y;
  return maps;
}

}  // namespace driftloop::adapt
