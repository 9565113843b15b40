// The pool as a strategy sees it: the teacher's predictions of its frames, and what was asked before.
#pragma once
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "adapt/acquisition/strategy.h"
#include "adapt/data/frame_pool.h"
#include "adapt/data/target_labels.h"
#include "adapt/model/placed_net.h"

namespace driftloop::adapt {

class EnginePoolView : public PoolView {
 public:
  /// `frames` are those the round looks at; some may have left the pool since they were chosen.
  EnginePoolView(const PlacedNet& teacher, const FramePool& pool, const TargetLabels& labels,
                 std::vector<PoolFrame> frames);

  std::size_t size() const override { return frames_.size(); }
  const std::string& frame_id(std::size_t index) const override { return frames_.at(index).id; }
  const std::string& group(std::size_t index) const override { return frames_.at(index).group; }
  cv::Size frame_size(std::size_t index) const override { return frames_.at(index).size_px; }
  bool present(std::size_t index) const override { return !gone_.contains(frames_.at(index).id); }
  std::optional<Prediction> predict(std::size_t index, Want want) override;
  cv::Mat taken(std::size_t index) const override;
  cv::Mat label(std::size_t index) const override {
    return labels_.label(frames_.at(index).id, Purpose::train);
  }
  std::int64_t asked_px(std::size_t index) const override;
  at::Device device() const override { return teacher_.device(); }

  /// These are the guard's of this round: from now on they are held out.
  void mark(const std::vector<Region>& regions);
  /// The frames that have left the pool since.
  void note_gone();
  const std::set<std::string>& gone() const { return gone_; }

 private:
  const PlacedNet& teacher_;
  const FramePool& pool_;
  const TargetLabels& labels_;
  std::vector<PoolFrame> frames_;
  std::set<std::string> gone_;
  std::map<std::string, std::vector<cv::Rect>> marked_;
};

}  // namespace driftloop::adapt
