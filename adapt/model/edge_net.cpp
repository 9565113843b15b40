#include "adapt/model/edge_net.h"

#include <torch/nn/functional.h>

#include "adapt/model/depthwise.h"

namespace driftloop::adapt {
namespace nn = torch::nn;
namespace {

constexpr int kContext = 128, kMiddle = 32, kLow = 24, kDecoder = 64;  // channels
constexpr NormOptions kNorm{.epsilon = 1e-5, .momentum = 0.03};

/// 1x1 convolution without a bias, norm, ReLU.
struct PointImpl : nn::Module {
  PointImpl(int in, int out)
      : conv(register_module("conv", nn::Conv2d(nn::Conv2dOptions(in, out, 1).bias(false)))),
        norm(register_module("norm", Norm(out, kNorm))) {}
  at::Tensor forward(const at::Tensor& x) { return norm->run(pointwise(x, conv->weight), Activation::relu); }
  nn::Conv2d conv;
  Norm norm;
};
TORCH_MODULE(Point);

struct NormReluImpl : nn::Module {
  explicit NormReluImpl(int channels) : norm(register_module("norm", Norm(channels, kNorm))) {}
  at::Tensor forward(const at::Tensor& x) { return norm->run(x, Activation::relu); }
  Norm norm;
};
TORCH_MODULE(NormRelu);

at::Tensor resized_to(const at::Tensor& x, const at::Tensor& like) {
  return at::upsample_bilinear2d(x, {like.size(2), like.size(3)}, /*align_corners=*/false);
}

/// The deepest map, gated by what the whole image holds, meets those of stride 8 and 4 on its way up.
struct LightDecoderImpl : nn::Module {
  LightDecoderImpl(EfficientNetLiteImpl& encoder, int classes)
      : context(register_module("context", Point(encoder.last_channels(), kContext))),
        gate(register_module("gate", nn::Linear(encoder.last_channels(), kContext))),
        middle(register_module(
            "middle", nn::Conv2d(nn::Conv2dOptions(encoder.stride8_channels(), kMiddle, 1).bias(false)))),
        low(register_module("low",
                            nn::Conv2d(nn::Conv2dOptions(encoder.stride4_channels(), kLow, 1).bias(false)))),
        join8(register_module("join8", NormRelu(kContext + kMiddle))),
        point8(register_module("point8", Point(kContext + kMiddle, kDecoder))),
        join4(register_module("join4", NormRelu(kDecoder + kLow))),
        point4(register_module("point4", Point(kDecoder + kLow, kDecoder))),
        spatial(register_module(
            "spatial",
            nn::Conv2d(nn::Conv2dOptions(kDecoder, kDecoder, 3).padding(1).groups(kDecoder).bias(false)))),
        mix(register_module("mix", Point(kDecoder, kDecoder))),
        classifier(register_module("classifier", nn::Conv2d(nn::Conv2dOptions(kDecoder, classes, 1)))) {}

  /// What the classifier sees, stride 4.
  at::Tensor features(const BackboneMaps& maps) {
    const auto open = gate(maps.last.mean({2, 3})).sigmoid().unsqueeze(2).unsqueeze(3);
    auto z = context(maps.last) * open;
    z = at::cat({resized_to(z, maps.stride8), pointwise(maps.stride8, middle->weight)}, 1);
    z = point8(join8(z));
    z = at::cat({resized_to(z, maps.stride4), pointwise(maps.stride4, low->weight)}, 1);
    z = point4(join4(z));
    return mix(depthwise(z, spatial->weight, {1, 1, 1, 1, 1, 1}));
  }

  Point context{nullptr};
  nn::Linear gate{nullptr};
  nn::Conv2d middle{nullptr}, low{nullptr};
  NormRelu join8{nullptr};
  Point point8{nullptr};
  NormRelu join4{nullptr};
  Point point4{nullptr};
  nn::Conv2d spatial{nullptr};
  Point mix{nullptr};
  nn::Conv2d classifier{nullptr};
};
TORCH_MODULE(LightDecoder);

class EdgeNet final : public SegmentationNet {
 public:
  EdgeNet(const ModelOptions& options, const EfficientNetShape& shape, int classes) {
    encoder_ = register_module(
        "encoder",
        EfficientNetLite(EfficientNetShape{shape.width * options.width, shape.depth}, options.output_stride));
    decoder_ = register_module("decoder", LightDecoder(*encoder_, classes));
    const torch::NoGradGuard no_grad;
    for (auto& module : modules(/*include_self=*/false))
      if (auto* convolution = module->as<nn::Conv2dImpl>())
        nn::init::kaiming_normal_(convolution->weight, 0.0, torch::kFanOut, torch::kReLU);
  }

  std::vector<at::Tensor> backbone_parameters() override { return encoder_->parameters(); }
  std::vector<at::Tensor> stride4_parameters() override { return encoder_->stride4_parameters(); }
  /// The published weights' own: (pixel - 127) / 128.
  Normalisation normalisation() const override { return {{127, 127, 127}, {128, 128, 128}}; }
  Corners corners() const override { return Corners::not_aligned; }

 private:
  NetOutput do_run(const at::Tensor& image_nchw, Outputs outputs) override {
    NetOutput result;
    result.corners = corners();
    const auto maps = encoder_->forward(image_nchw);
    const auto features = decoder_->features(maps);
    result.logits_nchw =
        pointwise(features, decoder_->classifier->weight) + decoder_->classifier->bias.view({1, -1, 1, 1});
    if (wants(outputs, Outputs::features)) result.features_ndhw = features;
    if (wants(outputs, Outputs::backbone)) result.backbone_ndhw = maps.last;
    return result;
  }

  EfficientNetLite encoder_{nullptr};
  LightDecoder decoder_{nullptr};
};

}  // namespace

std::shared_ptr<SegmentationNet> make_edge_net(const ModelOptions& options, const EfficientNetShape& shape,
                                               int classes) {
  return std::make_shared<EdgeNet>(options, shape, classes);
}

}  // namespace driftloop::adapt
