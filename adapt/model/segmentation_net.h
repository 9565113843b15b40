// What every segmentation net of driftloop is: an image batch in, class logits and features out. Add one: a
// file beside this one and a line in model_table.cpp.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "adapt/model/options.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

/// Which outputs a forward pass is for. The cheaper ones leave the other heads out.
enum class Outputs { main, main_and_aux, main_and_features, main_and_representation };

struct NetOutput {
  torch::Tensor logits_nchw;    // (N, C, about H/4, about W/4: the pool rounds up), not upsampled
  torch::Tensor aux_nchw;       // (N, C, H/8.., W/8..): training only, else undefined
  torch::Tensor features_ndhw;  // (N, D, h, w) what the classifier sees before its last layer: undefined
                                // unless asked for
  torch::Tensor representation_nchw;  // (N, 256 x width, h, w): undefined unless asked for
};

class SegmentationNet : public torch::nn::Module {
 public:
  /// `image_nchw`: float (N, 3, H, W), normalised by kMean/kStd (adapt/data/augment.h), H and W at least 33.
  NetOutput run(const torch::Tensor& image_nchw, Outputs outputs);
  /// The parameters that learn at the base rate (pre-trained or not); all others are heads.
  virtual std::vector<torch::Tensor> backbone_parameters() = 0;

 private:
  virtual NetOutput do_run(const torch::Tensor& image_nchw, Outputs outputs) = 0;
};

/// Builds the net that `options.name` names, with `classes` logits and fresh weights from LibTorch's current
/// generator. Throws Error.
std::shared_ptr<SegmentationNet> make_net(const ModelOptions& options, int classes);
std::vector<std::string> model_names();

/// Logits upsampled to the image as the paper does: bilinear, align corners.
torch::Tensor upsample(const torch::Tensor& nchw, std::int64_t height, std::int64_t width);

/// Copies parameters and buffers by name from `source` to `target`, two nets of the same options.
void copy_weights(const SegmentationNet& source, SegmentationNet& target);

/// SHA-256 over the names and values of parameters and buffers, 64 hex digits. Copies each to the CPU.
std::string weights_digest(const SegmentationNet& net);

}  // namespace driftloop::adapt
