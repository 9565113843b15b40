// Whether a candidate may become the live model: both are shown the guard's pixels, which nobody trains on,
// and are compared frame by frame, each class counting alike.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "adapt/data/frame_pool.h"
#include "adapt/data/target_labels.h"
#include "adapt/model/placed_net.h"
#include "adapt/options.h"
#include "config/label_space.h"

namespace driftloop::adapt {

/// Pixels of the guard's regions of one frame, by their true class: all, and those that each net got right.
struct GuardFrame {
  std::array<std::int64_t, config::kClasses> labelled{}, live{}, candidate{};
};

/// Frames that are gone from the pool are left out. `max_regions`: the newest so many labelled regions; none
/// = all.
std::vector<GuardFrame> guard_frames(const PlacedNet& live, const PlacedNet& candidate, const FramePool& pool,
                                     const TargetLabels& labels,
                                     const std::optional<std::int64_t>& max_regions);

struct GuardComparison {
  /// Share of right pixels, mean over the classes with GuardOptions::min_class_pixels (over all pixels where
  /// no class has them), 0..1.
  double live = 0, candidate = 0;
  /// Of candidate - live, over frames: pixels of one frame are right or wrong together.
  double standard_error = 0;
  /// Classes whose own share fell by more than GuardOptions::class_tolerance and two standard errors.
  std::vector<int> lost;

  double gain() const { return candidate - live; }
};

GuardComparison compare(const std::vector<GuardFrame>& frames, const GuardOptions& options);

/// The rule. `since_best` is the sum of the gains since the best live model that ever was, at most 0: many
/// small losses, each within the tolerance, do not add up to more than one.
bool may_go_live(const GuardComparison& comparison, double since_best, const GuardOptions& options);

}  // namespace driftloop::adapt
