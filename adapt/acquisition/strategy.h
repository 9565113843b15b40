// Acquisition: which pixels of the pool are worth a human's time (docs/method, section 4). A strategy sees
// the whole pool through PoolView and returns regions under a budget; ground truth is out of its reach.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <opencv2/core/mat.hpp>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "adapt/acquisition/options.h"
#include "adapt/region.h"
#include "config/name_table.h"

namespace driftloop::adapt {

/// What the teacher says about one frame, on the CPU or on a CUDA device (both tensors on the same one).
struct Prediction {
  at::Tensor prob_chw;     // (C, H, W) float, sums to 1 over C, at the frame's full size
  at::Tensor feature_dhw;  // (D, h, w) float, teacher features at stride 8, not normalised; may be undefined
};

enum class Want { probabilities, probabilities_and_features };

/// The frames a strategy may ask for. Frame ids are distinct. References stay valid until the next call.
class PoolView {
 public:
  virtual ~PoolView() = default;
  virtual std::size_t size() const = 0;
  virtual const std::string& frame_id(std::size_t index) const = 0;
  /// The city or sequence the frame belongs to; whole-image strategies are stratified by it.
  virtual const std::string& group(std::size_t index) const = 0;
  virtual cv::Size frame_size(std::size_t index) const = 0;
  /// Runs the teacher: the expensive call. Strategies make it at most once a frame and selection. Features
  /// are only defined when asked for.
  virtual Prediction predict(std::size_t index, Want want) = 0;
  /// 8UC1 of the frame's size, nonzero where a label was asked for before (returned, outstanding or kept as
  /// guard). Empty = nothing asked yet.
  virtual cv::Mat asked_mask(std::size_t index) const = 0;
};

struct SelectRequest {
  AcquisitionOptions options;
  Budget budget;
  std::uint64_t seed = 0;  // the same pool, request and seed give the same regions
  std::stop_token stop;    // looked at between frames
};

struct Selection {
  std::vector<Region> regions;  // most wanted first
  bool stopped = false;         // the stop token was set; `regions` is then empty
};

class Strategy {
 public:
  virtual ~Strategy() = default;

  /// Chooses regions under `request.budget`; runs the teacher over the pool, so it takes as long as that. The
  /// result is checked: inside the frame, not asked before, no overlap, within every limit (CheckError if
  /// not). Throws Error when the teacher's output is not finite or the options cannot be met.
  Selection select(PoolView& pool, const SelectRequest& request);

  /// The per-pixel map (H, W), float on the CPU, that the strategy ranks by, for pictures; none when it does
  /// not rank by one.
  virtual std::optional<at::Tensor> score_map(const Prediction& prediction,
                                              const AcquisitionOptions& options);

 private:
  virtual Selection do_select(PoolView& pool, const SelectRequest& request) = 0;
};

using StrategyFactory = std::unique_ptr<Strategy> (*)();

/// Every strategy; see acquisition_table.cpp.
std::span<const config::NameEntry<StrategyFactory>> strategy_table();

/// Throws Error for an unknown name, with the nearest one.
std::unique_ptr<Strategy> make_strategy(std::string_view name);

}  // namespace driftloop::adapt
