// What was asked of the lab and what came back: the learner's memory of the target domain.
#pragma once
#include <map>
#include <opencv2/core.hpp>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "adapt/data/frame_pool.h"
#include "adapt/region.h"
#include "adapt/train/safetensors.h"

namespace driftloop::adapt {

enum class Purpose { train, guard };

struct AskedRegion {
  Region region;
  Purpose purpose = Purpose::train;
  cv::Mat label;  // 8UC1 of the box's size once it returned; empty until then
};

class TargetLabels {
 public:
  /// Marks regions as asked. `frame_px` is the frame's size.
  void ask(const Region& region, Purpose purpose, cv::Size frame_px);
  /// Stores the answer. False when the region was not asked here or was answered before (then nothing
  /// changes).
  bool answer(const RegionLabel& label);

  /// 8UC1, nonzero where something was asked; empty when nothing was.
  const cv::Mat& asked_mask(const std::string& frame_id) const;
  /// 8UC1 trainIds, 255 where there is no label of this purpose; empty when the frame has none.
  const cv::Mat& label(const std::string& frame_id, Purpose purpose) const;
  /// The frames that have labels of this purpose, sorted.
  const std::vector<std::string>& frames(Purpose purpose) const {
    return frames_[static_cast<std::size_t>(purpose)];
  }
  std::int64_t pixels(Purpose purpose) const { return pixels_[static_cast<std::size_t>(purpose)]; }
  std::int64_t answered_regions() const { return answered_; }
  const std::vector<AskedRegion>& asked() const { return asked_; }
  /// Everything, in a checkpoint: boxes and purposes as metadata, label bytes as one tensor.
  void save(TensorFile& file) const;
  void load(const TensorFile& file);

  /// The purpose a region was asked for; train when it is not known.
  Purpose purpose_of(const RegionLabel& label) const;

 private:
  struct FrameMaps {
    cv::Mat asked;
    cv::Mat labels[2];
  };
  using Key = std::tuple<std::string, int, int, int, int>;
  static Key key_of(const std::string& frame_id, const cv::Rect& box) {
    return {frame_id, box.x, box.y, box.width, box.height};
  }

  std::vector<AskedRegion> asked_;
  std::map<Key, std::size_t> index_;
  std::map<std::string, FrameMaps> maps_;
  std::vector<std::string> frames_[2];
  std::int64_t pixels_[2] = {0, 0};
  std::int64_t answered_ = 0;
};

}  // namespace driftloop::adapt
