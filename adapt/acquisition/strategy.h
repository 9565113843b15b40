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

#include "config/fields.h"
#include "config/name_table.h"

namespace driftloop::adapt {

/// A box to ask a label for. It lies inside its frame. `score` is the strategy's own; larger was asked first.
struct Region {
  std::string frame_id;
  cv::Rect box_px;
  double score = 0;
};

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
  virtual const cv::Mat& asked_mask(std::size_t index) const = 0;
};

struct CoverOptions {
  int max_clusters = 1024;     // caps the cost of k-means; beyond it several regions a cluster are asked
  int fit_tiles = 40'000;      // tiles that k-means is fitted on
  int max_tiles = 200'000;     // tiles kept as candidates over the whole pool (at least 2 per region asked)
  int kmeans_iterations = 10;  // Lloyd iterations
};
void describe(config::Fields& f, CoverOptions& o);

struct AcquisitionOptions {
  std::string strategy = "cover";
  int region_px = 8;                   // side of the square regions
  double share_per_round = 0.0025;     // of the pool's pixels; what one round may ask for
  std::int64_t pixels_per_round = 0;   // the same in pixels; 0 = by the share
  std::int64_t regions_per_round = 0;  // clicks; 0 = no limit
  std::int64_t pixels_per_frame = 0;   // 0 = no limit (budget over the pool), else also per frame and round
  int score_radius_px = 32;            // ripu_pixel: half side of the window that a pixel's score looks at
  CoverOptions cover;
};
void describe(config::Fields& f, AcquisitionOptions& o);

/// Limits of one selection. 0 pixels = nothing may be asked; 0 in the other two = no limit.
struct Budget {
  std::int64_t pixels = 0;
  std::int64_t pixels_per_frame = 0;
  std::int64_t regions = 0;
};

/// What `options` allow one round over a pool of `pool_pixels` pixels.
Budget round_budget(const AcquisitionOptions& options, std::int64_t pool_pixels);

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
