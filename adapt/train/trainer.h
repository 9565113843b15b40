// Student, teacher and optimiser: one training step of method.md section 3 at a time.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "adapt/data/batch.h"
#include "adapt/engine.h"
#include "adapt/files/safetensors.h"
#include "adapt/losses/loss.h"
#include "adapt/model/placed_net.h"
#include "adapt/options.h"
#include "adapt/ranks.h"
#include "adapt/selftrain/self_training.h"
#include "adapt/train/optimiser.h"
#include "adapt/train/step_clock.h"
#include "config/random.h"

namespace driftloop::adapt {

struct StepLosses {
  std::vector<double> terms;  // of Trainer::terms(), weighted; 0 where the step held nothing for a term
  double total = 0;
  bool finite = true;  // false: the step changed nothing
};

class Trainer {
 public:
  /// Fresh weights from `seed`. `ranks` outlives this object.
  Trainer(const ModelSpec& spec, const TrainOptions& train, const SelfTrainOptions& selftrain,
          torch::Device device, std::uint64_t seed, const Ranks& ranks = Ranks::alone());

  /// From which frames the next step's unlabelled images are to be mixed (Batches::draw()).
  std::vector<CutWish> wishes(config::Random& random) const { return self_training_.wishes(random); }
  /// One optimiser step over train.accumulate batches in `batch`, and the teacher's move after it. `random`
  /// drives what is mixed and pasted. With several ranks each has its own part of the images; the gradients,
  /// losses and statistics are those of all parts (their mean), and the nets stay the same on each. When it
  /// throws (no memory) before the optimiser's part the step does not count and nothing has changed after
  /// mend(); when it throws in it the step counts: each parameter has taken it whole, in part (weight decay,
  /// momentum) or not at all, all of them finite.
  StepLosses step(const Batch& batch, config::Random& random);
  /// From now on the time of each part of a step is added here; null = no more.
  void time_into(std::map<std::string, double>* seconds) { clock_ = StepClock(device_, seconds); }
  /// Clears up after a step() that threw: drops the gradients, puts the BN statistics back. The next step()
  /// does it first when this one could not (no memory again).
  void mend();
  /// Counts a step without doing it, so that the next one draws another batch.
  void skip_step() { ++steps_; }

  const std::vector<Term>& terms() const { return terms_; }
  SegmentationNet& student() { return *student_; }
  const std::shared_ptr<PlacedNet>& teacher() const { return teacher_; }
  std::int64_t steps() const { return steps_; }
  /// What save() writes at most: the nets and the optimiser's memory once it has one.
  std::int64_t state_bytes() const;

  /// Student and teacher become `weights`; the optimiser forgets its momentum, the step count stays.
  void restart_from(const SegmentationNet& weights, EmaStart start);

  /// Everything that a resumed run needs, under the prefixes "student.", "teacher.", "optimiser.", "loss.",
  /// "selftrain.".
  void save(TensorFile& file) const;
  /// Throws Error when the file is of another net; `path` is for the message.
  void load(const TensorFile& file, const std::filesystem::path& path);

 private:
  struct Sums;

  StepLosses try_step(const Batch& batch, config::Random& random);
  void join_ranks(Sums& sums);
  void learn_from(const Batch& batch, double share, config::Random& random, Sums& sums);
  void look_again(StepContext& context, const Batch& batch, const at::Tensor& image_nhwc);
  LossSettings loss_settings() const { return {train_, selftrain_, device_, ranks_}; }
  double weight_of(const Term& term) const;
  double progress() const;
  double rate_share() const;
  void move_teacher();

  TrainOptions train_;
  SelfTrainOptions selftrain_;
  torch::Device device_;
  const Ranks& ranks_;
  std::vector<Term> terms_;
  SelfTraining self_training_;
  std::shared_ptr<SegmentationNet> student_;
  std::shared_ptr<PlacedNet> teacher_;
  std::unique_ptr<Optimiser> optimiser_;
  std::int64_t steps_ = 0;
  bool warm_ = false;  // the nets began with weights that had learnt already
  StepClock clock_{device_, nullptr};
  bool torn_ = false;  // a step threw and has not been mended
};

}  // namespace driftloop::adapt
