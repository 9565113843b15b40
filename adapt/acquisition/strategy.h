// Acquisition: which pixels of the pool are worth a human's time (docs/method, section 4). A strategy sees
// what is known of the whole pool and returns regions under a budget; ground truth is out of its reach. It
// works in two parts, since the first takes minutes on a vehicle and must outlive an interruption: `observe`
// looks at one frame, `choose` decides over all of them. The loop over the pool and the teacher are not its
// own.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <opencv2/core/mat.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "adapt/acquisition/options.h"
#include "adapt/acquisition/scan.h"
#include "adapt/acquisition/scan_log.h"
#include "adapt/model/corners.h"
#include "adapt/ranks.h"
#include "adapt/region.h"
#include "config/chosen.h"

namespace driftloop::adapt {

/// What the teacher says about one frame, on the CPU or on a CUDA device (all tensors on the same one): its
/// logits as they leave the net, or probabilities. pixel_maps.h makes of them what strategies need.
struct Prediction {
  at::Tensor prob_chw = {};     // (C, H, W) float, sums to 1 over C, at the frame's full size
  at::Tensor feature_dhw = {};  // (D, h, w) float, teacher features at stride 8 or coarser, not normalised;
                                // may be undefined
  at::Tensor logits_chw = {};   // (C, h, w) float, about a quarter of the frame's size: instead of prob_chw
  Corners corners = Corners::aligned;  // how the logits are enlarged
  cv::Size frame_px = {};              // with logits: to what
};

/// Features: what the classifier sees; backbone: the last map of the backbone.
enum class Want { nothing, probabilities, probabilities_and_features, probabilities_and_backbone };

/// Why nothing may be asked of a pixel any more.
enum Taken : std::uint8_t {
  kOpen = 0,
  kOutstanding = 1,  // asked for, the label has not come
  kLabelled = 2,     // it is learnt from
  kHeldOut = 3       // for the guard: nobody learns from it
};

/// What a strategy knows of the frames that it may ask for, without the teacher. Frame ids are distinct.
/// References stay valid until the next call.
class PoolFacts {
 public:
  virtual ~PoolFacts() = default;
  virtual std::size_t size() const = 0;
  virtual const std::string& frame_id(std::size_t index) const = 0;
  /// The city or sequence the frame belongs to; whole-image strategies are stratified by it.
  virtual const std::string& group(std::size_t index) const = 0;
  virtual cv::Size frame_size(std::size_t index) const = 0;
  /// 8UC1 of the frame's size, a Taken each; empty = all of it is open.
  virtual cv::Mat taken(std::size_t index) const = 0;
  /// 8UC1 trainIds of the frame's size, 255 where no label is learnt from; empty = there is none.
  virtual cv::Mat label(std::size_t) const { return {}; }
  /// Pixels of the frame that this round asks for already (the guard's): they count as the budget's
  /// pixels_per_frame.
  virtual std::int64_t asked_px(std::size_t) const { return 0; }
  /// Where the teacher runs.
  virtual at::Device device() const { return at::kCPU; }
};

/// The same with the teacher, for the loop over the pool.
class PoolView : public PoolFacts {
 public:
  /// False when the frame is known to be gone (evicted): nothing is asked of it.
  virtual bool present(std::size_t) const { return true; }
  /// Runs the teacher: the expensive call. Features are only defined when asked for. None = the frame is gone
  /// meanwhile.
  virtual std::optional<Prediction> predict(std::size_t index, Want want) = 0;
};

struct SelectRequest {
  int region_px = 8;  // side of a region, for strategies that ask for squares
  Budget budget;
  std::uint64_t seed = 0;  // the same pool, request and seed give the same regions
  std::stop_token stop;    // looked at between frames and between iterations over all of them
  std::function<void(std::size_t frames)> progress = {};  // frames done; called again while choosing
  const Ranks* ranks = &Ranks::alone();  // each looks at its share of the frames, all get the same regions
};

struct Selection {
  std::vector<Region> regions;  // most wanted first
  bool stopped = false;         // the stop token was set; `regions` is then empty
};

/// One selection under way. What is seen of a frame depends on the frame, the pool's facts and the request,
/// so that a scan made by an earlier process serves as well as a new one. Facts and request outlive it.
class Choice {
 public:
  virtual ~Choice() = default;
  /// What it needs of the teacher to look at this frame; none = there is nothing to ask of it.
  virtual std::optional<Want> wants(std::size_t index) const = 0;
  /// Looks at one frame; `prediction` holds what was wanted. Throws Error.
  virtual Scan observe(std::size_t index, const Prediction& prediction) const = 0;
  /// In the order of the pool; frames that are gone, or of which nothing is wanted, are left out.
  virtual void take(std::size_t index, Scan scan) = 0;
  /// After the last frame. Cut short by the stop token the result means nothing.
  virtual std::vector<Region> choose() = 0;
};

class Strategy {
 public:
  virtual ~Strategy() = default;

  /// Chooses regions under `request.budget`; runs the teacher over the pool, so it takes as long as that.
  /// Frames whose scan is in `log` are not looked at again, the scans of the others are added to it; null =
  /// nothing is kept. The result is checked: inside the frame, not asked before, no overlap, within every
  /// limit (CheckError if not). Throws Error when the teacher's output is not finite or the options cannot
  /// be met.
  Selection select(PoolView& pool, const SelectRequest& request, ScanLog* log = nullptr);

  /// The per-pixel map (H, W), float on the CPU, that the strategy ranks by, for pictures; none when it does
  /// not rank by one.
  virtual std::optional<at::Tensor> score_map(const Prediction& prediction, int region_px);

  /// Side of the squares that it asks for, px; none = whole images.
  virtual std::optional<int> asked_side_px(int region_px) const { return region_px; }

 private:
  /// Null when the budget pays for nothing.
  virtual std::unique_ptr<Choice> begin(const PoolFacts& facts, const SelectRequest& request) = 0;
};

/// One of acquisition_table.cpp. Throws Error for an unknown name, with the nearest one.
std::unique_ptr<Strategy> make_strategy(const config::Chosen& strategy);

}  // namespace driftloop::adapt
