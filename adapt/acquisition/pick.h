// Greedy choice of windows: one partial sort and a blocking mask within a frame, one bounded heap over the
// pool.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <limits>
#include <opencv2/core/mat.hpp>
#include <span>
#include <string>
#include <vector>

#include "adapt/region.h"

namespace driftloop::adapt {

struct Pick {
  float score;
  int y, x;  // index in the window map
};

struct PickLimits {
  int apart;  // a taken window blocks the indices less than this many rows and columns away; at least the
              // windows' side, so that they never overlap
  std::int64_t count;                                     // at most this many
  float floor = -std::numeric_limits<float>::infinity();  // worse windows are not wanted; equal ones are
};

/// The best windows of `score_hw` (float, CPU; larger is better, -inf = may not be asked) in falling order of
/// score, ties by (y, x). `blocked_hw`: 8UC1 of the same size, nonzero = may not be asked; or empty. Throws
/// Error when a score is NaN.
std::vector<Pick> greedy_picks(const at::Tensor& score_hw, const cv::Mat& blocked_hw,
                               const PickLimits& limits);

/// Marks the windows (Border::inside) of a frame that come nearer than `margin` pixels to a nonzero one of
/// `asked_hw`: 0 = that touch one. Empty in, empty out.
cv::Mat windows_touching(const cv::Mat& asked_hw, int side, int margin = 0);

/// The best regions over the pool, frame by frame: since a window only blocks others of its own frame, the
/// greedy order over the pool is the merge of the frames' own, and only the best `count` so far need to be
/// kept.
class PoolPick {
 public:
  /// `apart` as in PickLimits.
  PoolPick(std::int64_t count, int side, int apart);

  /// For greedy_picks on one more frame: what is worse than `count` others seen so far is not looked for.
  PickLimits limits(std::int64_t per_frame) const;
  /// The frame's greedy_picks, indexed by the windows' first row and column.
  void add(const std::string& frame_id, std::span<const Pick> picks);
  /// Best first, ties by (frame id, y, x).
  std::vector<Region> finish();

 private:
  std::size_t count_;
  int side_, apart_;
  std::vector<Region> heap_;  // the worst one on top
};

/// The order regions are asked in: falling score, then frame id, y, x.
bool asked_before(const Region& a, const Region& b);

}  // namespace driftloop::adapt
