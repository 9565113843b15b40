#include "adapt/model/deeplabv3plus.h"

#include <torch/nn/functional.h>

namespace driftloop::adapt {
namespace nn = torch::nn;
namespace {

constexpr int kHeadChannels = 256;  // the paper's width of every head

nn::Conv2d conv(int in, int out, int kernel, int dilation, bool bias) {
  return nn::Conv2d(
      nn::Conv2dOptions(in, out, kernel).padding(kernel == 1 ? 0 : dilation).dilation(dilation).bias(bias));
}

/// Image pooling, 1x1 and three dilated 3x3 branches, concatenated to 5 x channels.
struct AsppImpl : nn::Module {
  AsppImpl(int in, int channels, int rate) {
    pooled =
        register_module("conv1", nn::Sequential(nn::AdaptiveAvgPool2d(1), conv(in, channels, 1, 1, false),
                                                Norm(channels, NormOptions{}), nn::ReLU()));
    for (int branch = 0; branch < 4; ++branch) {
      const auto convolution =
          branch == 0 ? conv(in, channels, 1, 1, false) : conv(in, channels, 3, rate * branch, false);
      branches[static_cast<std::size_t>(branch)] =
          register_module("conv" + std::to_string(branch + 2),
                          nn::Sequential(convolution, Norm(channels, NormOptions{}), nn::ReLU()));
    }
  }
  torch::Tensor forward(const torch::Tensor& x) {
    std::vector<torch::Tensor> parts = {pooled->forward(x).expand({-1, -1, x.size(2), x.size(3)})};
    for (auto& branch : branches) parts.push_back(branch->forward(x));
    return torch::cat(parts, 1);
  }
  nn::Sequential pooled{nullptr};
  std::array<nn::Sequential, 4> branches{nn::Sequential{nullptr}, nn::Sequential{nullptr},
                                         nn::Sequential{nullptr}, nn::Sequential{nullptr}};
};
TORCH_MODULE(Aspp);

nn::Sequential two_layer_head(int in, int hidden, int out, double dropout) {
  return nn::Sequential(conv(in, hidden, 3, 1, true), Norm(hidden, NormOptions{}), nn::ReLU(),
                        nn::Dropout2d(dropout), conv(hidden, hidden, 3, 1, true), Norm(hidden, NormOptions{}),
                        nn::ReLU(), nn::Dropout2d(dropout), conv(hidden, out, 1, 1, true));
}
constexpr std::size_t kLastLayer = 8;  // of two_layer_head: what comes before it are the features

struct DecoderImpl : nn::Module {
  DecoderImpl(const ModelOptions& o, int low_in, int high_in, int classes) {
    const int width = scaled_channels(kHeadChannels, o.width);
    low_conv = register_module(
        "low_conv", nn::Sequential(conv(low_in, width, 1, 1, true), Norm(width, NormOptions{}), nn::ReLU()));
    aspp = register_module("aspp", Aspp(high_in, width, o.aspp_rate));
    head = register_module(
        "head", nn::Sequential(conv(5 * width, width, 3, 1, false), Norm(width, NormOptions{}), nn::ReLU(),
                               nn::Dropout2d(o.dropout)));
    classifier = register_module("classifier", two_layer_head(2 * width, width, classes, o.dropout));
    representation = register_module("representation", two_layer_head(2 * width, width, width, o.dropout));
  }
  nn::Sequential low_conv{nullptr}, head{nullptr}, classifier{nullptr}, representation{nullptr};
  Aspp aspp{nullptr};
};
TORCH_MODULE(Decoder);

struct AuxiliaryImpl : nn::Module {
  AuxiliaryImpl(const ModelOptions& o, int in, int classes) {
    const int width = scaled_channels(kHeadChannels, o.width);
    aux = register_module("aux",
                          nn::Sequential(conv(in, width, 3, 1, true), Norm(width, NormOptions{}), nn::ReLU(),
                                         nn::Dropout2d(o.dropout), conv(width, classes, 1, 1, true)));
  }
  nn::Sequential aux{nullptr};
};
TORCH_MODULE(Auxiliary);

class DeepLabV3Plus : public SegmentationNet {
 public:
  DeepLabV3Plus(const ModelOptions& options, const ResNetShape& shape, int classes) {
    encoder_ = register_module("encoder", ResNet(ResNetOptions{shape, options.width, options.output_stride}));
    decoder_ = register_module(
        "decoder", Decoder(options, encoder_->layer_channels(0), encoder_->layer_channels(3), classes));
    auxor_ = register_module("auxor", Auxiliary(options, encoder_->layer_channels(2), classes));
    torch::NoGradGuard no_grad;
    for (nn::Module* part :
         {static_cast<nn::Module*>(decoder_.get()), static_cast<nn::Module*>(auxor_.get())})
      for (auto& module : part->modules())
        if (auto* convolution = module->as<nn::Conv2dImpl>())
          nn::init::kaiming_normal_(convolution->weight, 0.0, torch::kFanOut, torch::kReLU);
  }

  std::vector<torch::Tensor> backbone_parameters() override { return encoder_->parameters(); }
  std::vector<torch::Tensor> stride4_parameters() override { return encoder_->stride4_parameters(); }
  Outputs heads() const override {
    return Outputs::aux | Outputs::features | Outputs::backbone | Outputs::representation;
  }

 private:
  NetOutput do_run(const torch::Tensor& image_nchw, Outputs outputs) override {
    const auto layers = encoder_->forward(image_nchw);
    const auto low = decoder_->low_conv->forward(layers[0]);
    auto high = decoder_->head->forward(decoder_->aspp->forward(layers[3]));
    high = upsample(high, low.size(2), low.size(3), Corners::aligned);
    const auto joined = torch::cat({low, high}, 1);
    NetOutput result;
    auto x = joined;
    std::size_t layer = 0;
    for (auto& module : *decoder_->classifier) {
      if (layer++ == kLastLayer && wants(outputs, Outputs::features)) result.features_ndhw = x;
      x = module.forward(x);
    }
    result.logits_nchw = x;
    if (wants(outputs, Outputs::backbone)) result.backbone_ndhw = layers[3];
    if (wants(outputs, Outputs::aux)) result.aux_nchw = auxor_->aux->forward(layers[2]);
    if (wants(outputs, Outputs::representation))
      result.representation_nchw = decoder_->representation->forward(joined);
    return result;
  }

  ResNet encoder_{nullptr};
  Decoder decoder_{nullptr};
  Auxiliary auxor_{nullptr};
};

}  // namespace

std::shared_ptr<SegmentationNet> make_deeplabv3plus(const ModelOptions& options, const ResNetShape& shape,
                                                    int classes) {
  return std::make_shared<DeepLabV3Plus>(options, shape, classes);
}

}  // namespace driftloop::adapt
