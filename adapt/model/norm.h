// Batch normalisation under the names that published weights use (weight, bias, running_mean, running_var,
// num_batches_tracked), in a module of ours: what its statistics come from is a setting.
#pragma once
#include <torch/nn/module.h>
#include <torch/nn/pimpl.h>

#include "adapt/ranks.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

/// What follows the normalisation, done in the same pass.
enum class Activation { none, relu, relu6 };

struct NormOptions {
  double epsilon = 1e-5;  // 1e-3 in nets that come from TensorFlow
  double momentum = 0.1;  // share of a batch's statistics in the running ones
};

class NormImpl : public torch::nn::Module {
 public:
  NormImpl(std::int64_t channels, const NormOptions& options);
  /// (N, channels, H, W).
  at::Tensor forward(const at::Tensor& x) { return run(x, Activation::none); }
  /// With the activation behind it. On a CPU kernels of our own do maps that are channels last
  /// (norm_kernel.h), LibTorch all others.
  at::Tensor run(const at::Tensor& x, Activation activation);

  /// The statistics are begun anew, and each forward pass in train mode counts alike in them from now on,
  /// until the next call: with weights as they are, what they are on other images.
  void begin_estimate();
  void end_estimate() { estimated_batches_ = -1; }
  /// In train mode the running statistics are used and stay as they are.
  void freeze(bool frozen) { frozen_ = frozen; }
  /// A batch's statistics are from now on those of all ranks' images together, as if they were one batch (the
  /// field's SyncBatchNorm). `ranks` outlives this object; all ranks make the same calls.
  void share(const Ranks& ranks) { ranks_ = &ranks; }

  at::Tensor weight, bias, running_mean, running_var, num_batches_tracked;

 private:
  at::Tensor over_ranks(const at::Tensor& x, double momentum);
  at::Tensor by_own_kernels(const at::Tensor& map, bool learns, double momentum, Activation activation);

  NormOptions options_;
  std::int64_t estimated_batches_ = -1;  // -1 = no estimate is under way
  bool frozen_ = false;
  const Ranks* ranks_ = &Ranks::alone();
};
TORCH_MODULE(Norm);

}  // namespace driftloop::adapt
