// What was asked of the lab and what came back: the learner's memory of the target domain. It keeps boxes and
// packed cut-outs (a few hundred bytes a region); the maps of a frame are made when they are asked for.
#pragma once
#include <array>
#include <functional>
#include <map>
#include <opencv2/core.hpp>
#include <set>
#include <string>
#include <vector>

#include "adapt/data/frame_pool.h"
#include "adapt/files/safetensors.h"
#include "adapt/region.h"

namespace driftloop::adapt {

enum class Purpose { train, guard };

struct AskedRegion {
  Region region;
  Purpose purpose = Purpose::train;
  bool answered = false;
  std::int64_t label_pixels = 0;           // of the answer, those with a class
  std::vector<std::uint8_t> packed_label;  // label_cutout.h; empty until answered
};

class TargetLabels {
 public:
  /// Marks a region as asked and gives its id: a new one, or the one of the same box of the same frame.
  /// `frame_px` is the frame's size.
  std::uint64_t ask(const Region& region, Purpose purpose, cv::Size frame_px);
  /// Takes back what was asked after `id`, as if it had never been: for a choice that could not be finished.
  void withdraw_after(std::uint64_t id);
  /// Stores the answer. False when the region was not asked here (or is retired) or was answered before (then
  /// nothing changes). Nothing changes when it throws either.
  bool answer(const RegionLabel& label);
  /// Drops the regions of frames that are `gone`, with their labels: without the picture nothing can be
  /// learnt from them. Those in `keep` stay. How many were dropped; the totals do not change.
  std::size_t retire(const std::function<bool(const std::string& frame_id)>& gone,
                     const std::set<std::uint64_t>& keep);

  /// 8UC1, a Taken (acquisition/strategy.h) for each pixel; empty when nothing was asked.
  cv::Mat taken(const std::string& frame_id) const;
  /// 8UC1 trainIds, 255 where there is no label of this purpose; empty when the frame has none.
  cv::Mat label(const std::string& frame_id, Purpose purpose) const;
  /// 8UC1 of the box's size; the region is answered.
  static cv::Mat label_of(const AskedRegion& asked);
  /// The frames that have labels of this purpose, sorted.
  const std::vector<std::string>& frames(Purpose purpose) const { return frames_[index_of(purpose)]; }
  /// Labelled pixels that are held.
  std::int64_t pixels(Purpose purpose) const { return held_pixels_[index_of(purpose)]; }
  /// By id, so in the order they were asked.
  const std::map<std::uint64_t, AskedRegion>& asked() const { return asked_; }
  /// The purpose a region was asked for; train when it is not known.
  Purpose purpose_of(const RegionLabel& label) const;

  /// Counts of everything that ever was, retired or not.
  struct Totals {
    std::uint64_t asked = 0;  // regions; the last id that was given
    std::int64_t frames = 0;  // asked about
    std::int64_t answered = 0;
    std::array<std::int64_t, 2> pixels = {0, 0};  // labelled, by purpose
    std::int64_t clicks = 0;                      // of the answers, but for whole images
    std::int64_t images = 0;                      // answered whole
    std::int64_t image_pixels = 0;                // labelled in those
  };
  const Totals& totals() const { return totals_; }

  /// Everything, in a checkpoint: boxes and counts as metadata, packed labels as one tensor. load() also
  /// reads the form before ids and numbers those regions from 1 in their order. Throws Error (damaged).
  void save(TensorFile& file) const;
  /// How large save() comes out, at most.
  std::int64_t stored_bytes() const;
  void load(const TensorFile& file);

 private:
  struct Frame {
    cv::Size size_px;
    std::vector<std::uint64_t> ids;  // ascending
  };
  static std::size_t index_of(Purpose purpose) { return static_cast<std::size_t>(purpose); }
  /// The held region of this frame and box; nullptr when there is none.
  const AskedRegion* find(const std::string& frame_id, const cv::Rect& box_px) const;
  const AskedRegion* find(const RegionLabel& label) const;
  void add(AskedRegion asked, cv::Size frame_px);
  void drop(std::uint64_t id);
  void load_without_ids(const TensorFile& file);

  std::map<std::uint64_t, AskedRegion> asked_;
  std::map<std::string, Frame> by_frame_;
  std::array<std::vector<std::string>, 2> frames_;
  std::array<std::int64_t, 2> held_pixels_ = {0, 0};
  Totals totals_;
};

}  // namespace driftloop::adapt
