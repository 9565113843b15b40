// Draws what one training step eats from the source, the returned labels and the pool.
#pragma once
#include <optional>
#include <random>

#include "adapt/data/augment.h"
#include "adapt/data/dataset.h"
#include "adapt/data/frame_pool.h"
#include "adapt/train/target_labels.h"
#include "adapt/train/trainer.h"

namespace driftloop::adapt {

enum class Unlabelled { none, drawn };

class Batches {
 public:
  /// `source` may be null. Everything referred to outlives this object.
  Batches(const EngineOptions& options, const Dataset* source, const FramePool& pool,
          const TargetLabels& labels, Unlabelled unlabelled);

  /// Nothing when there is nothing to learn from. All draws come from `random`.
  std::optional<Batch> draw(std::mt19937_64& random) const;

 private:
  void draw_source(Batch& batch, std::mt19937_64& random) const;
  void draw_target(Batch& batch, std::mt19937_64& random) const;
  void draw_unlabelled(Batch& batch, std::mt19937_64& random) const;

  const EngineOptions& options_;
  const Dataset* source_;
  const FramePool& pool_;
  const TargetLabels& labels_;
  std::vector<PoolFrame> frames_;
};

}  // namespace driftloop::adapt
