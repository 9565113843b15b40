#include "adapt/acquisition/strategy.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <opencv2/core.hpp>
#include <unordered_map>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

void check_request(const SelectRequest& request) {
  const auto& o = request.options;
  const auto& b = request.budget;
  DL_CHECK(b.pixels >= 0 && b.pixels_per_frame >= 0 && b.regions >= 0, b.pixels, b.pixels_per_frame,
           b.regions);
  DL_CHECK(o.region_px >= 1 && o.region_px <= kMaxRegionPx, o.region_px);
  DL_CHECK(o.score_radius_px >= 0 && o.score_radius_px <= 127, o.score_radius_px);
}

/// What has been asked of one frame, to check a selection against.
struct FrameUse {
  std::size_t index = 0;
  std::int64_t pixels = 0;
  cv::Mat taken;  // 8UC1, nonzero = asked before or by an earlier region
};

class SelectionCheck {
 public:
  SelectionCheck(PoolView& pool, const Budget& budget) : pool_(pool), budget_(budget) {
    for (std::size_t i = 0; i < pool.size(); ++i) {
      FrameUse use;
      use.index = i;
      use.pixels = pool.asked_px(i);
      DL_CHECK(frames_.emplace(pool.frame_id(i), use).second, "frame ids are distinct", pool.frame_id(i));
    }
  }

  void add(const Region& region) {
    const auto found = frames_.find(region.frame_id);
    DL_CHECK(found != frames_.end(), region.frame_id);
    FrameUse& use = found->second;
    const cv::Size size = pool_.frame_size(use.index);
    const cv::Rect box = region.box_px;
    DL_CHECK(box.area() > 0 && (box & cv::Rect({0, 0}, size)) == box, region.frame_id, box, size);
    if (use.taken.empty()) {
      const cv::Mat asked = pool_.asked_mask(use.index);
      DL_CHECK(asked.empty() || (asked.size() == size && asked.type() == CV_8UC1), region.frame_id,
               asked.size(), size);
      use.taken = asked.empty() ? cv::Mat::zeros(size, CV_8UC1) : asked.clone();
    }
    DL_CHECK(cv::countNonZero(use.taken(box)) == 0, "asked twice", region.frame_id, box);
    use.taken(box).setTo(1);
    const auto area = static_cast<std::int64_t>(box.width) * box.height;
    pixels_ += area;
    use.pixels += area;
    ++regions_;
    DL_CHECK(pixels_ <= budget_.pixels, pixels_, budget_.pixels);
    DL_CHECK(budget_.regions == 0 || regions_ <= budget_.regions, regions_, budget_.regions);
    DL_CHECK(budget_.pixels_per_frame == 0 || use.pixels <= budget_.pixels_per_frame, region.frame_id,
             use.pixels);
  }

 private:
  PoolView& pool_;
  const Budget& budget_;
  std::unordered_map<std::string, FrameUse> frames_;
  std::int64_t pixels_ = 0;
  std::int64_t regions_ = 0;
};

}  // namespace

Selection Strategy::select(PoolView& pool, const SelectRequest& request, ScanLog* log) {
  check_request(request);
  const c10::NoGradGuard no_grad;
  SelectionCheck check(pool, request.budget);
  const auto choice = begin(pool, request);
  if (!choice) return {};
  const Selection stopped{.regions = {}, .stopped = true};
  for (std::size_t i = 0; i < pool.size(); ++i) {
    if (request.stop.stop_requested()) {
      if (log != nullptr) log->save();
      return stopped;
    }
    if (pool.present(i)) {
      auto scan = log != nullptr ? log->take(i) : std::nullopt;
      if (!scan) {
        scan = choice->scan(i);
        if (scan && log != nullptr) log->add(i, *scan);
      }
      if (scan) choice->take(i, *std::move(scan));
    }
    if (request.progress) request.progress(i + 1);
  }
  if (log != nullptr) log->save();  // the choice can be interrupted as well
  Selection selection{.regions = choice->choose(), .stopped = false};
  if (request.stop.stop_requested()) return stopped;
  for (const auto& region : selection.regions) check.add(region);
  return selection;
}

std::optional<at::Tensor> Strategy::score_map(const Prediction&, const AcquisitionOptions&) {
  return std::nullopt;
}

}  // namespace driftloop::adapt
