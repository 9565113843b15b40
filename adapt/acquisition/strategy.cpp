#include "adapt/acquisition/strategy.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <opencv2/core.hpp>
#include <unordered_map>

#include "adapt/files/safetensors.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

void check_request(const SelectRequest& request) {
  for (const auto& limit : {request.budget.pixels, request.budget.pixels_per_frame, request.budget.regions})
    DL_CHECK(limited(0, limit) == 0, "a limit is negative", *limit);
  DL_CHECK(request.region_px >= 1 && request.region_px <= kMaxRegionPx, request.region_px);
}

/// What has been asked of one frame, to check a selection against.
struct FrameUse {
  std::size_t index = 0;
  std::int64_t pixels = 0;
  cv::Mat taken;  // 8UC1, nonzero = asked before or by an earlier region
};

class SelectionCheck {
 public:
  SelectionCheck(const PoolFacts& pool, const Budget& budget) : pool_(pool), budget_(budget) {
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
      const cv::Mat asked = pool_.taken(use.index);
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
    DL_CHECK(pixels_ == limited(pixels_, budget_.pixels), pixels_, *budget_.pixels);
    DL_CHECK(regions_ == limited(regions_, budget_.regions), regions_, *budget_.regions);
    DL_CHECK(use.pixels == limited(use.pixels, budget_.pixels_per_frame), region.frame_id, use.pixels);
  }

 private:
  const PoolFacts& pool_;
  const Budget& budget_;
  std::unordered_map<std::string, FrameUse> frames_;
  std::int64_t pixels_ = 0;
  std::int64_t regions_ = 0;
};

/// Runs the teacher and checks what it says against the frame; none = the frame is gone. Throws Error when it
/// is not finite.
std::optional<Prediction> checked_prediction(PoolView& pool, std::size_t index, Want want) {
  std::optional<Prediction> seen = pool.predict(index, want);
  if (!seen) return seen;
  const auto& feature = seen->feature_dhw;
  const cv::Size size = pool.frame_size(index);
  const bool logits = seen->logits_chw.defined();
  const auto& classes = logits ? seen->logits_chw : seen->prob_chw;
  DL_CHECK(classes.defined() && classes.dim() == 3, pool.frame_id(index), size);
  DL_CHECK(logits ? seen->frame_px == size : classes.size(1) == size.height && classes.size(2) == size.width,
           pool.frame_id(index), size);
  const bool features = want == Want::probabilities_and_features || want == Want::probabilities_and_backbone;
  DL_CHECK(!features || (feature.defined() && feature.dim() == 3), pool.frame_id(index),
           "features were asked for");
  // A sum is NaN or infinite when an element is: one pass and no temporary of the map's size.
  if (!(features ? classes.sum() + feature.sum() : classes.sum()).isfinite().item<bool>())
    throw Error("the teacher's output for frame " + pool.frame_id(index) +
                " is not finite: its weights are broken; return to the live model");
  return seen;
}

/// From the log or by a look at the frame; none = the frame is gone, or there is nothing to ask of it.
std::optional<Scan> scan_of(PoolView& pool, std::size_t index, const Choice& choice, ScanLog* log) {
  if (!pool.present(index)) return std::nullopt;
  if (log != nullptr)
    if (auto scan = log->take(index)) return scan;
  const auto want = choice.wants(index);
  if (!want) return std::nullopt;
  Prediction prediction;
  if (*want != Want::nothing) {
    auto seen = checked_prediction(pool, index, *want);
    if (!seen) return std::nullopt;
    prediction = *std::move(seen);
  }
  auto scan = choice.observe(index, prediction);
  if (log != nullptr) log->add(index, scan);
  return scan;
}

using Scans = std::map<std::size_t, Scan>;  // by frame

TensorFile as_file(const Scans& scans) {
  TensorFile file;
  for (const auto& [frame, scan] : scans) {
    file.metadata[std::to_string(frame)] = "";  // a scan may be empty
    for (const auto& [name, tensor] : scan) file.tensors[std::to_string(frame) + '.' + name] = tensor;
  }
  return file;
}

void add(const TensorFile& file, Scans& scans) {
  for (const auto& [frame, nothing] : file.metadata) scans[std::stoull(frame)];
  for (const auto& [name, tensor] : file.tensors) {
    const auto dot = name.find('.');
    scans[std::stoull(name)][name.substr(dot + 1)] = tensor;
  }
}

/// Adds those of the others; false when one of the ranks was told to stop.
bool exchange(const Ranks& ranks, bool stopped, Scans& scans) {
  if (ranks.count() == 1) return !stopped;
  bool any_stopped = false;
  for (const auto& bytes : ranks.gather(stopped ? "" : safetensors_bytes(as_file(scans)))) {
    any_stopped = any_stopped || bytes.empty();
    if (!any_stopped) add(parse_safetensors(bytes, "a rank's scans"), scans);
  }
  return !any_stopped;
}

}  // namespace

Selection Strategy::select(PoolView& pool, const SelectRequest& request, ScanLog* log) {
  check_request(request);
  const c10::NoGradGuard no_grad;
  SelectionCheck check(pool, request.budget);
  const auto choice = pays_nothing(request.budget) ? nullptr : begin(pool, request);
  if (!choice) return {};
  const Selection stopped{.regions = {}, .stopped = true};
  Scans scans;
  for (std::size_t i = 0; i < pool.size() && !request.stop.stop_requested(); ++i) {
    if (!request.ranks->owns(i)) continue;
    if (auto scan = scan_of(pool, i, *choice, log)) scans.emplace(i, *std::move(scan));
    if (request.progress) request.progress(i + 1);
  }
  if (log != nullptr) log->save();  // the choice can be interrupted as well
  if (!exchange(*request.ranks, request.stop.stop_requested(), scans)) return stopped;
  for (auto& [frame, scan] : scans) choice->take(frame, std::move(scan));
  Selection selection{.regions = choice->choose(), .stopped = false};
  if (request.stop.stop_requested()) return stopped;
  for (const auto& region : selection.regions) check.add(region);
  return selection;
}

std::optional<at::Tensor> Strategy::score_map(const Prediction&, int) {
  return std::nullopt;
}

}  // namespace driftloop::adapt
