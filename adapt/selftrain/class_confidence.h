// How sure the student is of each class (method.md 3.4): what is learnt badly is shown more often.
#pragma once
#include <array>
#include <span>

#include "adapt/files/safetensors.h"
#include "adapt/torch.h"
#include "config/label_space.h"

namespace driftloop::adapt {

class ClassConfidence {
 public:
  /// (C), 0..1; 0 at the start.
  std::span<const double> values() const { return value_; }
  /// q <- 0.999 q + 0.001 x mean, of the classes that occur in `sums` (class_probability_sums(), on the CPU).
  void update(const at::Tensor& sums);

  void save(TensorFile& file) const;
  void load(const TensorFile& file);

 private:
  std::array<double, config::kClasses> value_{};
};

}  // namespace driftloop::adapt
