// What every segmentation net of driftloop is: an image batch in, class logits and features out. Add one: a
// file beside this one and a line in model_table.cpp.
#pragma once
#include <array>
#include <memory>
#include <string>
#include <torch/nn/module.h>
#include <vector>

#include "adapt/model/corners.h"
#include "adapt/model/options.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

/// What a forward pass is for beside the logits, as flags: each head runs only where it is wanted.
enum class Outputs : unsigned { main = 0, aux = 1, features = 2, representation = 4, backbone = 8 };
constexpr Outputs operator|(Outputs a, Outputs b) {
  return static_cast<Outputs>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}
constexpr bool wants(Outputs all, Outputs one) {
  return (static_cast<unsigned>(all) & static_cast<unsigned>(one)) != 0;
}

struct NetOutput {
  Corners corners = Corners::aligned;
  at::Tensor logits_nchw;          // (N, C, about H/4, about W/4: the pool rounds up), not upsampled
  at::Tensor aux_nchw;             // (N, C, H/8.., W/8..): training only, else undefined
  at::Tensor features_ndhw;        // (N, D, h, w) what the classifier sees before its last layer: undefined
                                   // unless asked for
  at::Tensor backbone_ndhw;        // (N, D, h, w) the backbone's last map: undefined unless asked for
  at::Tensor representation_nchw;  // (N, 256 x width, h, w): undefined unless asked for
};

/// Of a forward pass and of its way back; weights and what leaves the net are float in both.
enum class Precision { float32, bfloat16 };

/// How pixels (0..255, RGB) become a net's input: (pixel - mean) / std.
struct Normalisation {
  std::array<float, 3> mean;
  std::array<float, 3> std;
};

class SegmentationNet : public torch::nn::Module {
 public:
  /// `image_nchw`: float (N, 3, H, W), normalised, H and W at least kLeastSidePx.
  NetOutput run(const at::Tensor& image_nchw, Outputs outputs);
  /// From now on; a net begins with float32. bfloat16: convolutions and matrix products in 16 bits
  /// (LibTorch's autocast), fast on GPUs from Ampere on and on CPUs that have such instructions, slow on
  /// others.
  void set_precision(Precision precision) { precision_ = precision; }
  Precision precision() const { return precision_; }
  /// (N, H, W, 3) uint8 RGB, any device -> the net's input: float (N, 3, H, W), channels last, same device.
  at::Tensor normalised(const at::Tensor& image_nhwc) const;

  virtual Normalisation normalisation() const;
  virtual Corners corners() const { return Corners::aligned; }
  /// What run() can give beside the logits.
  virtual Outputs heads() const { return Outputs::features | Outputs::backbone; }
  /// The parameters that learn at the base rate (pre-trained or not); all others are heads.
  virtual std::vector<at::Tensor> backbone_parameters() = 0;
  /// Those of them that its map at stride 4 is made with: edges and textures, the dearest of all to learn.
  virtual std::vector<at::Tensor> stride4_parameters() = 0;

 private:
  virtual NetOutput do_run(const at::Tensor& image_nchw, Outputs outputs) = 0;

  Precision precision_ = Precision::float32;
};

/// Builds the net that `options.name` names, with `classes` logits and fresh weights from LibTorch's current
/// generator. Throws Error.
std::shared_ptr<SegmentationNet> make_net(const ModelOptions& options, int classes);
std::vector<std::string> model_names();

/// Bilinear, to the image's size.
at::Tensor upsample(const at::Tensor& nchw, std::int64_t height, std::int64_t width, Corners corners);

}  // namespace driftloop::adapt
