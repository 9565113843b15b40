// Draws what one training step eats from the source, the returned labels and the pool.
#pragma once
#include <cstdint>
#include <optional>
#include <span>

#include "adapt/data/augment.h"
#include "adapt/data/batch.h"
#include "adapt/data/dataset.h"
#include "adapt/data/frame_pool.h"
#include "adapt/data/target_labels.h"
#include "adapt/selftrain/class_bank.h"

namespace driftloop::adapt {

enum class Unlabelled { none, drawn };

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
  /// `source` may be null. Everything referred to outlives this object. Each image of a batch has randomness
  /// of its own, from (seed, step, place in the batch).
  Batches(const EngineOptions& options, const Dataset* source, const FramePool& pool,
          const TargetLabels& labels, Unlabelled unlabelled, std::uint64_t seed);

  /// Nothing when there is nothing to learn from. Each part has `share` of its configured images, at least
  /// one, times train.accumulate. `wishes`: for each unlabelled image what it is to be mixed from.
  std::optional<Batch> draw(std::int64_t step, double share = 1, std::span<const CutWish> wishes = {}) const;

 private:
  struct UnlabelledViews {
    std::vector<cv::Mat> weak, strong;
    std::vector<cv::Rect> contents;
  };
  cv::Size crop() const { return {options_.input.crop_width_px, options_.input.crop_height_px}; }
  View source_view(std::size_t index, const InputOptions& input, config::Random& random) const;
  std::optional<View> target_view(const std::string& name, const InputOptions& input,
                                  config::Random& random) const;
  /// False when the frame has gone.
  bool draw_views(const std::string& frame_id, config::Random& random, UnlabelledViews& views) const;
  void draw_source(Batch& batch, int count, std::int64_t step) const;
  void draw_target(Batch& batch, int count, std::int64_t step) const;
  void draw_unlabelled(Batch& batch, int count, std::int64_t step, std::span<const CutWish> wishes) const;

  const EngineOptions& options_;
  const Dataset* source_;
  const FramePool& pool_;
  const TargetLabels& labels_;
  std::vector<PoolFrame> frames_;
  std::uint64_t seed_;
};

}  // namespace driftloop::adapt
