// Draws what one training step eats from the source, the returned labels and the pool.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "adapt/data/batch.h"
#include "adapt/data/loader.h"
#include "adapt/data/sampler.h"
#include "adapt/ranks.h"
#include "adapt/selftrain/class_bank.h"

namespace driftloop::adapt {

/// How much of the configured batch the memory allows: halved when it runs out, doubled again when it has
/// held for a while.
class BatchShare {
 public:
  explicit BatchShare(const EngineOptions& options);
  double value() const { return value_; }  // 1, 1/2, 1/4 ...
  /// False when every part is down to one image already.
  bool halve();
  void count_good_step();

 private:
  int largest_part_;
  double value_ = 1;
  int good_steps_ = 0;  // since the last change
};

class Batches {
 public:
  /// As Sampler. With input.workers the next steps' images are made while one is learned from; what a batch
  /// holds does not depend on that.
  /// Each rank draws its own part of a batch that is count() times the configured one.
  Batches(const EngineOptions& options, const Dataset* source, const FramePool& pool,
          const TargetLabels& labels, Unlabelled unlabelled, std::uint64_t seed,
          const Ranks& ranks = Ranks::alone());

  /// Nothing when there is nothing to learn from. Each part has `share` of its configured images, at least
  /// one, times train.accumulate. `wishes`: for each unlabelled image what it is to be mixed from. The labels
  /// may not change as long as this object lives.
  std::optional<Batch> draw(std::int64_t step, double share = 1, std::span<const CutWish> wishes = {});

 private:
  int count(Part part, double share) const;
  /// The `image`-th of this rank's, counted over all ranks.
  SampleKey key(std::int64_t step, Part part, int image, double share) const;
  void ask_ahead(std::int64_t step, double share);
  std::vector<Sample> take(std::int64_t step, Part part, double share);
  void add_unlabelled(Batch& batch, std::int64_t step, double share, std::span<const CutWish> wishes);

  const EngineOptions& options_;
  int rank_;
  Sampler sampler_;
  Loader loader_;
};

}  // namespace driftloop::adapt
