// mIoU of a net over a labelled data set, and over the guard set.
#pragma once
#include <stop_token>

#include "adapt/data/dataset.h"
#include "adapt/data/frame_pool.h"
#include "adapt/data/target_labels.h"
#include "adapt/eval/confusion.h"
#include "adapt/model/placed_net.h"

namespace driftloop::adapt {

/// Counts every labelled pixel of the data set (labels folded into the net's label space), whole images at
/// the working size.
Confusion confusion_over(const PlacedNet& net, const Dataset& dataset, std::stop_token stop);

/// Share of right pixels of each guard region, in the order they were asked, for two nets on the same
/// regions; frames that are gone from the pool are left out.
struct GuardScores {
  std::vector<double> live, candidate;  // 0..1
};
/// `max_regions`: the newest so many labelled guard regions; 0 = all.
GuardScores guard_scores(const PlacedNet& live, const PlacedNet& candidate, const FramePool& pool,
                         const TargetLabels& labels, int max_regions);

/// The scored classes of the label space by name.
Evaluation summarise(const Confusion& confusion, const std::string& label_space, std::int64_t images);

}  // namespace driftloop::adapt
