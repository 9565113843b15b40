// AdamW or SGD over the parameters of a net, in one fused call a group; its memory goes by parameter name.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "adapt/files/safetensors.h"
#include "adapt/model/segmentation_net.h"
#include "adapt/options.h"
#include "adapt/ranks.h"

namespace driftloop::adapt {

class Optimiser {
 public:
  /// Two groups: the backbone at the base rate, the heads at rate x head_rate_factor. Parameters without a
  /// gradient (frozen) are left alone.
  Optimiser(SegmentationNet& net, const TrainOptions& options);

  /// Of all gradients together: a scalar on their device.
  at::Tensor gradient_norm() const;
  /// Each gradient becomes the mean over the ranks; one that a rank does not have counts as 0 there.
  void average_gradients(const Ranks& ranks);
  /// One step at `rate_share` of the configured rates, with all gradients divided by `gradient_divisor`.
  /// Memory for all parameters is made before the first of them changes.
  void step(double rate_share, double gradient_divisor);
  void drop_gradients();

  /// Under "optimiser.<parameter>."; load() takes what is there of this kind of optimiser, the rest starts
  /// without a memory. Throws Error for a shape that does not fit.
  void save(TensorFile& file) const;
  void load(const TensorFile& file, const std::filesystem::path& path);
  /// What save() writes at most.
  std::int64_t stored_bytes() const;

 private:
  struct Slot {
    std::string name;
    at::Tensor parameter;
    at::Tensor first, second;  // AdamW's moments; SGD's momentum is `first`
    std::int64_t steps = 0;    // in which it learned, for AdamW's bias correction: a head may begin late
  };
  struct Group {
    double rate_factor;
    std::vector<Slot> slots;
  };
  bool adamw() const { return options_.optimiser == "adamw"; }

  TrainOptions options_;
  std::vector<Group> groups_;
};

}  // namespace driftloop::adapt
