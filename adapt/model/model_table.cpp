#include <ATen/autocast_mode.h>

#include <array>
#include <functional>
#include <optional>

#include "adapt/model/deeplabv3plus.h"
#include "adapt/model/edge_net.h"
#include "adapt/preprocessing.h"
#include "config/check.h"
#include "config/name_table.h"

namespace driftloop::adapt {
namespace {

using Factory = std::shared_ptr<SegmentationNet> (*)(const ModelOptions&, int classes);

template <bool bottleneck, int a, int b, int c, int d>
std::shared_ptr<SegmentationNet> deeplab(const ModelOptions& options, int classes) {
  return make_deeplabv3plus(options, {bottleneck, {a, b, c, d}}, classes);
}

constexpr std::array<config::NameEntry<Factory>, 8> kModels = {{
    {"efficientnet_lite0", "EfficientNet-Lite0 with a light decoder: for edge devices and CPUs",
     [](const ModelOptions& o, int classes) {
       return make_edge_net(o, {1.0, 1.0}, classes);
     }},
    {"efficientnet_lite1", "EfficientNet-Lite1 with a light decoder",
     [](const ModelOptions& o, int classes) {
       return make_edge_net(o, {1.0, 1.1}, classes);
     }},
    {"efficientnet_lite2", "EfficientNet-Lite2 with a light decoder",
     [](const ModelOptions& o, int classes) {
       return make_edge_net(o, {1.1, 1.2}, classes);
     }},
    {"deeplabv3plus_r18", "DeepLabV3+ on ResNet-18: small enough for a CPU with width 0.25",
     deeplab<false, 2, 2, 2, 2>},
    {"deeplabv3plus_r34", "DeepLabV3+ on ResNet-34", deeplab<false, 3, 4, 6, 3>},
    {"deeplabv3plus_r50", "DeepLabV3+ on ResNet-50", deeplab<true, 3, 4, 6, 3>},
    {"deeplabv3plus_r101", "DeepLabV3+ on ResNet-101, the paper's", deeplab<true, 3, 4, 23, 3>},
    {"deeplabv3plus_r152", "DeepLabV3+ on ResNet-152", deeplab<true, 3, 8, 36, 3>},
}};

/// While it lives, this thread's convolutions and matrix products are done in bfloat16.
class Autocast {
 public:
  explicit Autocast(at::DeviceType device)
      : device_(device),
        enabled_(at::autocast::is_autocast_enabled(device)),
        type_(at::autocast::get_autocast_dtype(device)) {
    at::autocast::increment_nesting();
    at::autocast::set_autocast_enabled(device_, true);
    at::autocast::set_autocast_dtype(device_, at::kBFloat16);
  }
  ~Autocast() {
    at::autocast::set_autocast_dtype(device_, type_);
    at::autocast::set_autocast_enabled(device_, enabled_);
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();  // weights in 16 bits
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_;
  bool enabled_;
  at::ScalarType type_;
};

}  // namespace

void describe(config::Fields& f, ModelOptions& o) {
  f.choice("name", o.name, model_names(), "which net, by its name");
  f.field("width", o.width, {0.0625, 2}, "multiplies every channel count; 0.25 trains on a CPU");
  f.field("output_stride", o.output_stride, {8, 16}, "8 (paper) or 16 (about three times cheaper)");
  f.field("aspp_rate", o.aspp_rate, {1, 48},
          "ASPP dilations are 1, 2 and 3 times this; small images want small rates");
  f.field("dropout", o.dropout, {0, 0.9}, "channel dropout in the heads, a share; 0.1 in the paper");
}

NetOutput SegmentationNet::run(const at::Tensor& image_nchw, Outputs outputs) {
  DL_CHECK(image_nchw.dim() == 4 && image_nchw.size(1) == 3, image_nchw.sizes());
  DL_CHECK(image_nchw.size(2) >= kLeastSidePx && image_nchw.size(3) >= kLeastSidePx, image_nchw.sizes());
  // Channels last saves the kernels their reorders; what leaves is dense again, as everyone else expects it.
  std::optional<Autocast> autocast;
  if (precision_ == Precision::bfloat16) autocast.emplace(image_nchw.device().type());
  NetOutput out = do_run(image_nchw.contiguous(at::MemoryFormat::ChannelsLast), outputs);
  for (auto* part :
       {&out.logits_nchw, &out.aux_nchw, &out.features_ndhw, &out.backbone_ndhw, &out.representation_nchw})
    if (part->defined()) *part = (autocast ? part->to(at::kFloat) : *part).contiguous();
  return out;
}

at::Tensor SegmentationNet::normalised(const at::Tensor& image_nhwc) const {
  DL_CHECK(image_nhwc.dim() == 4 && image_nhwc.size(3) == 3 && image_nhwc.scalar_type() == at::kByte,
           image_nhwc.sizes());
  const Normalisation n = normalisation();
  const auto channels = [&](const std::array<float, 3>& values) {
    return torch::tensor({values[0], values[1], values[2]}).to(image_nhwc.device());
  };
  const auto pixels = image_nhwc.to(at::kFloat).sub_(channels(n.mean)).div_(channels(n.std));
  return pixels.permute({0, 3, 1, 2});
}

Normalisation SegmentationNet::normalisation() const {
  return {{kMean[0], kMean[1], kMean[2]}, {kStd[0], kStd[1], kStd[2]}};
}

std::shared_ptr<SegmentationNet> make_net(const ModelOptions& options, int classes) {
  if (options.output_stride != 8 && options.output_stride != 16)
    throw Error("model.output_stride must be 8 or 16, not " + std::to_string(options.output_stride));
  return config::find_entry<Factory>(kModels, options.name, "model").make(options, classes);
}

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const auto& entry : kModels) names.emplace_back(entry.name);
  return names;
}

at::Tensor upsample(const at::Tensor& nchw, std::int64_t height, std::int64_t width, Corners corners) {
  if (nchw.size(2) == height && nchw.size(3) == width) return nchw;
  return at::upsample_bilinear2d(nchw, {height, width}, corners == Corners::aligned);
}

}  // namespace driftloop::adapt
