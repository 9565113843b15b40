// Student, teacher and optimiser: one training step of method.md section 3 at a time.
#pragma once
#include <memory>
#include <random>

#include "adapt/model/segmentation_net.h"
#include "adapt/options.h"
#include "adapt/train/safetensors.h"

namespace driftloop::adapt {

/// What one step eats: tensors on the CPU, images normalised. Any part may be undefined (absent).
struct Batch {
  torch::Tensor source_image, source_label;  // (N, 3, H, W), (N, H, W) int64
  torch::Tensor target_image, target_label;  // returned regions, 255 elsewhere
  torch::Tensor weak_image,
      strong_image;  // unlabelled: what the teacher and what the student sees, the same crop
};

struct StepLosses {
  double source = 0, target = 0, consistency = 0;
  bool finite = true;  // false: the step changed nothing
  double total() const { return source + target + consistency; }
};

class Trainer {
 public:
  Trainer(const EngineOptions& options, torch::Device device, int classes, std::uint64_t seed);

  /// One optimiser step and the teacher's move after it. `random` drives CutMix. When it throws (no memory)
  /// before the optimiser's part the step does not count and nothing has changed after mend(); when it throws
  /// in it the step counts: each parameter has taken it whole, in part (weight decay, momentum) or not at
  /// all, all of them finite.
  StepLosses step(const Batch& batch, std::mt19937_64& random);
  /// Clears up after a step() that threw: drops the gradients, puts the BN statistics back. The next step()
  /// does it first when this one could not (no memory again).
  void mend();
  /// Counts a step without doing it, so that the next one draws another batch.
  void skip_step() { ++steps_; }

  SegmentationNet& student() { return *student_; }
  SegmentationNet& teacher() { return *teacher_; }
  std::int64_t steps() const { return steps_; }
  /// What save() writes at most: the nets and the optimiser's memory once it has one.
  std::int64_t state_bytes() const;

  /// Student and teacher become `weights`; the optimiser forgets its momentum, the step count stays.
  void restart_from(const SegmentationNet& weights);

  /// Everything that a resumed run needs, under the prefixes "student.", "teacher.", "optimiser.".
  void save(TensorFile& file) const;
  /// Throws Error when the file is of another net; `path` is for the message.
  void load(const TensorFile& file, const std::filesystem::path& path);

 private:
  torch::Tensor supervised(const NetOutput& output, const torch::Tensor& label, std::int64_t first) const;
  void set_rates();
  void move_teacher();
  std::unique_ptr<torch::optim::Optimizer> new_optimiser() const;
  StepLosses try_step(const Batch& batch, std::mt19937_64& random);

  EngineOptions options_;
  torch::Device device_;
  std::shared_ptr<SegmentationNet> student_, teacher_;
  std::unique_ptr<torch::optim::Optimizer> optimiser_;
  std::int64_t steps_ = 0;
  bool torn_ = false;  // a step threw and has not been mended
};

/// Stores the tensors under `prefix` once when all of them are bit for bit those under `as` (the live model
/// after a promotion): the metadata says so. `stored_prefix` gives the prefix to read them from.
void drop_copies(const std::string& prefix, const std::string& as, TensorFile& file);
std::string stored_prefix(const std::string& prefix, const TensorFile& file);

/// What tensors take in a file, their entries in its header included.
std::int64_t stored_bytes(const std::vector<torch::Tensor>& tensors);

/// Puts "prefix.name" tensors into `file` / copies them from it into `net`, checking names and shapes.
void put_net(const SegmentationNet& net, const std::string& prefix, TensorFile& file);
void get_net(const TensorFile& file, const std::string& prefix, const std::filesystem::path& path,
             SegmentationNet& net);

/// A well-mixed seed for one use of randomness at one step.
std::uint64_t mixed_seed(std::uint64_t seed, std::uint64_t step, std::uint64_t use);

}  // namespace driftloop::adapt
