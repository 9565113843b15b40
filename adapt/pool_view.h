// The pool as a strategy sees it: the teacher's predictions of its frames, and what was asked before.
#pragma once
#include <set>

#include "adapt/acquisition/strategy.h"
#include "adapt/data/frame_pool.h"
#include "adapt/eval/predictor.h"
#include "adapt/train/target_labels.h"

namespace driftloop::adapt {

class EnginePoolView : public PoolView {
 public:
  EnginePoolView(const EngineOptions& options, torch::Device device, SegmentationNet& teacher,
                 const FramePool& pool, const TargetLabels& labels)
      : options_(options),
        device_(device),
        teacher_(teacher),
        pool_(pool),
        labels_(labels),
        frames_(pool.frames()) {}

  std::size_t size() const override { return frames_.size(); }
  const std::string& frame_id(std::size_t index) const override { return frames_.at(index).id; }
  const std::string& group(std::size_t index) const override { return frames_.at(index).group; }
  cv::Size frame_size(std::size_t index) const override { return frames_.at(index).size_px; }
  Prediction predict(std::size_t index, Want want) override;
  cv::Mat asked_mask(std::size_t index) const override { return labels_.asked_mask(frames_.at(index).id); }

  /// Removes regions of frames that were evicted while the pool was looked through.
  void drop_vanished(std::vector<Region>& regions) const;

 private:
  const EngineOptions& options_;
  torch::Device device_;
  SegmentationNet& teacher_;
  const FramePool& pool_;
  const TargetLabels& labels_;
  std::vector<PoolFrame> frames_;
  std::set<std::string> vanished_;
};

}  // namespace driftloop::adapt
