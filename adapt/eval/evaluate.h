// mIoU of a net over a labelled data set, and over the guard set.
#pragma once
#include <stop_token>

#include "adapt/data/dataset.h"
#include "adapt/data/frame_pool.h"
#include "adapt/engine.h"
#include "adapt/eval/confusion.h"
#include "adapt/eval/predictor.h"
#include "adapt/train/target_labels.h"

namespace driftloop::adapt {

/// Counts every labelled pixel of the data set (labels folded into `options.label_space`), whole images at
/// the working size.
Confusion confusion_over(SegmentationNet& net, const EngineOptions& options, torch::Device device,
                         const Dataset& dataset, std::stop_token stop);

/// Share of right pixels of each guard region, in the order they were asked, for two nets on the same
/// regions; frames that are gone from the pool are left out.
struct GuardScores {
  std::vector<double> live, candidate;  // 0..1
};
GuardScores guard_scores(SegmentationNet& live, SegmentationNet& candidate, const EngineOptions& options,
                         torch::Device device, const FramePool& pool, const TargetLabels& labels);

/// The scored classes of `options.label_space` by name.
Evaluation summarise(const Confusion& confusion, const EngineOptions& options, std::int64_t images);

}  // namespace driftloop::adapt
