// The strategies that give every window of a frame a score and ask the best ones of the pool.
#pragma once
#include "adapt/acquisition/strategy.h"

namespace driftloop::adapt {

struct FrameFacts {
  const std::string& id;
  cv::Size size_px;
};

/// Asks the best windows over the pool. One frame's scores are in memory at a time; its scan are its own best
/// windows, at most what the budget pays of one frame, 12 bytes each.
class WindowStrategy : public Strategy {
 public:
  /// Side of the windows asked, px.
  virtual int side_px(int region_px) const { return region_px; }
  /// Two windows asked of a frame, in whatever round, are at least so many rows or columns apart (from first
  /// row to first row): no less than side_px.
  virtual int apart_px(int region_px) const { return side_px(region_px); }
  std::optional<int> asked_side_px(int region_px) const final { return side_px(region_px); }
  virtual Want want() const { return Want::probabilities; }
  /// Scores of the windows (Border::inside, float, CPU) of one frame; larger is asked first.
  virtual at::Tensor window_scores(const FrameFacts& frame, const Prediction& prediction,
                                   const SelectRequest& request) const = 0;

 private:
  std::unique_ptr<Choice> begin(const PoolFacts& facts, const SelectRequest& request) final;
};

/// A window counts by the mean of a per-pixel score.
class ScoreStrategy : public WindowStrategy {
 public:
  std::optional<at::Tensor> score_map(const Prediction& prediction, int region_px) override;

 private:
  at::Tensor window_scores(const FrameFacts& frame, const Prediction& prediction,
                           const SelectRequest& request) const final;
  /// (H, W) score, on the prediction's device; larger is asked first.
  virtual at::Tensor pixel_score(const Prediction& prediction) const = 0;
};

/// Pixels of all frames.
std::int64_t pool_pixels(const PoolFacts& facts);

}  // namespace driftloop::adapt
