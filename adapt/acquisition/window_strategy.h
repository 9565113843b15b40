// The strategies that give every window of a frame a score and ask the best ones of the pool.
#pragma once
#include "adapt/acquisition/strategy.h"

namespace driftloop::adapt {

/// Asks the best windows over the pool. One frame's scores are in memory at a time.
class WindowStrategy : public Strategy {
 protected:
  /// Side of the windows asked, px.
  virtual int side_px(const AcquisitionOptions& options) const { return options.region_px; }

 private:
  Selection do_select(PoolView& pool, const SelectRequest& request) final;
  /// Scores of the windows (Border::inside, float, CPU) of one frame; larger is asked first.
  virtual at::Tensor window_scores(PoolView& pool, std::size_t index, const SelectRequest& request) = 0;
};

/// A window counts by the mean of a per-pixel score.
class ScoreStrategy : public WindowStrategy {
 public:
  std::optional<at::Tensor> score_map(const Prediction& prediction,
                                      const AcquisitionOptions& options) override;

 private:
  at::Tensor window_scores(PoolView& pool, std::size_t index, const SelectRequest& request) final;
  /// (C, H, W) probabilities -> (H, W) score, on their device; larger is asked first.
  virtual at::Tensor pixel_score(const at::Tensor& prob_chw) = 0;
};

/// Runs the teacher and checks what it says against the frame. Throws Error when it is not finite.
Prediction checked_prediction(PoolView& pool, std::size_t index, Want want);

/// Pixels of all frames.
std::int64_t pool_pixels(const PoolView& pool);

}  // namespace driftloop::adapt
