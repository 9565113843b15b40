#include <array>
#include <functional>

#include "adapt/model/deeplabv3plus.h"
#include "config/check.h"
#include "config/digest.h"
#include "config/name_table.h"

namespace driftloop::adapt {
namespace {

constexpr std::int64_t kSmallestSide = 33;  // below this the dilated layers see nothing but padding

using Factory = std::shared_ptr<SegmentationNet> (*)(const ModelOptions&, int classes);

template <bool bottleneck, int a, int b, int c, int d>
std::shared_ptr<SegmentationNet> deeplab(const ModelOptions& options, int classes) {
  return make_deeplabv3plus(options, {bottleneck, {a, b, c, d}}, classes);
}

constexpr std::array<config::NameEntry<Factory>, 5> kModels = {{
    {"deeplabv3plus_r18", "DeepLabV3+ on ResNet-18: small enough for a CPU with width 0.25",
     deeplab<false, 2, 2, 2, 2>},
    {"deeplabv3plus_r34", "DeepLabV3+ on ResNet-34", deeplab<false, 3, 4, 6, 3>},
    {"deeplabv3plus_r50", "DeepLabV3+ on ResNet-50", deeplab<true, 3, 4, 6, 3>},
    {"deeplabv3plus_r101", "DeepLabV3+ on ResNet-101, the paper's", deeplab<true, 3, 4, 23, 3>},
    {"deeplabv3plus_r152", "DeepLabV3+ on ResNet-152", deeplab<true, 3, 8, 36, 3>},
}};

}  // namespace

void describe(config::Fields& f, ModelOptions& o) {
  f.choice("name", o.name, model_names(), "which net, by its name");
  f.field("width", o.width, {0.0625, 2}, "multiplies every channel count; 0.25 trains on a CPU");
  f.field("output_stride", o.output_stride, {8, 16}, "8 (paper) or 16 (about three times cheaper)");
  f.field("aspp_rate", o.aspp_rate, {1, 48},
          "ASPP dilations are 1, 2 and 3 times this; small images want small rates");
  f.field("dropout", o.dropout, {0, 0.9}, "channel dropout in the heads, a share; 0.1 in the paper");
}

NetOutput SegmentationNet::run(const torch::Tensor& image_nchw, Outputs outputs) {
  DL_CHECK(image_nchw.dim() == 4 && image_nchw.size(1) == 3, image_nchw.sizes());
  DL_CHECK(image_nchw.size(2) >= kSmallestSide && image_nchw.size(3) >= kSmallestSide, image_nchw.sizes());
  if (!image_nchw.is_cpu()) return do_run(image_nchw, outputs);
  // Channels last saves oneDNN its reorders; what leaves is dense again, as everyone else expects it.
  NetOutput out = do_run(image_nchw.contiguous(at::MemoryFormat::ChannelsLast), outputs);
  for (auto* part : {&out.logits_nchw, &out.aux_nchw, &out.features_ndhw, &out.representation_nchw})
    if (part->defined()) *part = part->contiguous();
  return out;
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

torch::Tensor upsample(const torch::Tensor& nchw, std::int64_t height, std::int64_t width) {
  if (nchw.size(2) == height && nchw.size(3) == width) return nchw;
  return at::upsample_bilinear2d(nchw, {height, width}, /*align_corners=*/true);
}

void copy_weights(const SegmentationNet& source, SegmentationNet& target) {
  torch::NoGradGuard no_grad;
  const auto copy = [](const auto& from, const auto& to) {
    DL_CHECK(from.size() == to.size(), from.size(), to.size());
    for (const auto& item : from) to[item.key()].copy_(item.value());
  };
  copy(source.named_parameters(), target.named_parameters());
  copy(source.named_buffers(), target.named_buffers());
}

std::string weights_digest(const SegmentationNet& net) {
  std::string text;
  const auto add = [&](const auto& tensors) {
    for (const auto& item : tensors) {
      const auto value = item.value().detach().cpu().contiguous();
      text += item.key() + ' ' +
              config::sha256_hex({static_cast<const char*>(value.const_data_ptr()), value.nbytes()}) + '\n';
    }
  };
  add(net.named_parameters());
  add(net.named_buffers());
  return config::sha256_hex(text);
}

}  // namespace driftloop::adapt
