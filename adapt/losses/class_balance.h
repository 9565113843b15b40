// How much a labelled pixel counts by its class, from how often the class was seen.
#pragma once
#include <string>

#include "adapt/files/safetensors.h"
#include "adapt/ranks.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

class ClassBalance {
 public:
  /// `power` 0 = every pixel counts alike.
  ClassBalance(std::string name, double power) : name_(std::move(name)), power_(power) {}

  /// Counts the labels of a batch (int64, 255 ignored), of all ranks', and gives a weight for each class on
  /// their device: (share of the class)^-power, scaled to a mean of 1 over all pixels that were ever counted.
  /// Undefined when the power is 0.
  at::Tensor weights(const at::Tensor& label_nhw, const Ranks& ranks = Ranks::alone());

  /// Under "loss.<name>.seen".
  void save(TensorFile& file) const;
  void load(const TensorFile& file);

 private:
  std::string name_;
  double power_;
  at::Tensor seen_;  // (C) pixels of each class, double
};

}  // namespace driftloop::adapt
