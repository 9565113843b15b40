// One image of a batch: drawn, read, augmented. Which one, and how, follows from (seed, step, part of the
// batch, place in it) alone, so that it does not matter who makes it, nor when. No LibTorch in this header.
#pragma once
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapt/data/augment.h"
#include "adapt/data/dataset.h"
#include "adapt/data/frame_pool.h"
#include "adapt/data/target_labels.h"

namespace driftloop::adapt {

enum class Part : std::uint8_t { source, target, unlabelled };

struct SampleKey {
  std::int64_t step = 0;
  Part part = Part::source;
  int slot = 0;
  auto operator<=>(const SampleKey&) const = default;
};

struct Sample {
  View view;                  // what the teacher sees, where there is no label
  std::optional<View> paste;  // of another image, to paste from
  cv::Mat strong;             // unlabelled: the student's view
  std::string frame_id;       // unlabelled
};

enum class Unlabelled { none, drawn };

class Sampler {
 public:
  /// `source` may be null. Everything referred to outlives this object. Unlabelled images are drawn from the
  /// frames that the pool has now.
  Sampler(const EngineOptions& options, const Dataset* source, const FramePool& pool,
          const TargetLabels& labels, Unlabelled unlabelled, std::uint64_t seed);

  /// Nothing where there is none to draw from, or the frames that were drawn have gone. May be called by
  /// several threads at once, as long as nobody changes the labels. Throws Error (an image cannot be read).
  std::optional<Sample> draw(const SampleKey& key) const;
  /// A view of this frame of the pool for the unlabelled image `slot` of `step`; nothing when it has gone.
  std::optional<Sample> cut(std::int64_t step, int slot, const std::string& frame_id) const;

 private:
  View source_view(std::size_t index, const InputOptions& input, config::Random& random) const;
  std::optional<View> target_view(const std::string& name, const InputOptions& input,
                                  config::Random& random) const;
  std::optional<Sample> unlabelled_view(const std::string& frame_id, config::Random& random) const;
  std::optional<Sample> draw_source(config::Random random, config::Random of_paste) const;
  std::optional<Sample> draw_target(config::Random random, config::Random of_paste) const;
  std::optional<Sample> draw_unlabelled(config::Random random) const;

  const EngineOptions& options_;
  const Dataset* source_;
  const FramePool& pool_;
  const TargetLabels& labels_;
  std::vector<PoolFrame> frames_;
  std::uint64_t seed_;
};

}  // namespace driftloop::adapt
