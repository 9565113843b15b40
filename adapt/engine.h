// The learner as one object, stepped by its owner: it owns no thread, no socket, no clock and no log. The
// daemon and the benchmark drive the same calls:  train -> propose -> (somebody labels) -> merge -> train ->
// judge -> ...  No LibTorch in this header.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "adapt/data/frame_pool.h"
#include "adapt/options.h"
#include "adapt/region.h"

namespace driftloop::adapt {

struct TrainProgress {
  int step;   // of this call, from 1
  int steps;  // asked for
  double loss;
};

struct TrainRequest {
  int steps = 0;
  std::stop_token stop = {};
  std::function<void(const TrainProgress&)> progress = {};
};

struct TrainReport {
  int steps = 0;           // done
  int bad_steps = 0;       // skipped because the loss was not finite
  double source_loss = 0;  // means over the steps
  double target_loss = 0;
  double consistency_loss = 0;
  bool stopped = false;  // by the stop token
  bool gave_up = false;  // too many bad steps: the student went back to the live model
};

struct MergeReport {
  std::int64_t train_pixels = 0;  // new pixels to learn from
  std::int64_t guard_pixels = 0;  // new pixels held out
  int regions = 0;
  int unknown_frames = 0;  // regions whose frame is not in the pool any more: kept out, counted
};

enum class Verdict { promoted, rolled_back, no_guard };

struct JudgeReport {
  Verdict verdict = Verdict::no_guard;
  double live_score = 0;  // share of right guard pixels, mean over regions, 0..1
  double candidate_score = 0;
  double standard_error = 0;  // of the mean difference between the two over the guard regions
  std::int64_t guard_pixels = 0;
};

struct LabelTotals {
  std::int64_t train_pixels = 0;
  std::int64_t guard_pixels = 0;
  std::int64_t regions = 0;
};

enum class Role { live, candidate };

struct Evaluation {
  double miou = 0;  // 0..1, over the scored classes that occur; NaN when none does
  std::vector<std::pair<std::string, double>>
      class_iou;  // scored classes in order; NaN where a class does not occur
  std::int64_t images = 0;
};

/// One frame seen by a model, for pictures.
struct FrameView {
  cv::Mat label;       // 8UC1 trainIds, the most likely class
  cv::Mat confidence;  // 32FC1, its probability
  cv::Mat score;       // 32FC1 of the strategy; empty when it does not rank by a map
};

class Engine {
 public:
  /// `source` may be null (source-free). `pool` outlives the engine. Throws Error (bad options, no such
  /// device).
  Engine(const EngineOptions& options, std::shared_ptr<const Dataset> source, FramePool& pool,
         std::uint64_t seed);
  ~Engine();
  Engine(Engine&&) noexcept;

  /// Continues from the last step. Randomness depends on (seed, step) alone, so a run resumed from a
  /// checkpoint is the run.
  TrainReport train(const TrainRequest& request);
  /// Chooses regions of the pool, the guard's random share first, and marks them as asked. Empty when the
  /// budget or the pool is.
  std::vector<Region> propose(const Budget& budget, std::stop_token stop);
  /// What a round may ask for by the options and the pool as it is now.
  Budget budget() const;
  /// Takes returned labels; a region merged before changes nothing. Throws Error for a label outside the
  /// label space.
  MergeReport merge(std::span<const RegionLabel> labels);
  /// Compares the candidate (the teacher) with the live model on the guard set and promotes it, or rolls back
  /// to the live model when it is worse by more than the tolerance and one standard error.
  JudgeReport judge();

  Evaluation evaluate(const Dataset& dataset, Role role, std::stop_token stop) const;
  FrameView view(const cv::Mat& image_rgb, Role role) const;

  std::int64_t step() const;
  LabelTotals labels() const;
  /// Everything asked so far, merged or not, in the order it was asked.
  std::vector<Region> asked() const;

  /// Durable, two slots in turn: the last good one stays loadable whatever happens during the write.
  void save(const std::filesystem::path& folder) const;
  /// The newest valid slot into this engine; false when the folder holds none. `note` is what save() was
  /// given. Throws Error when the state is of another model or seed.
  bool load(const std::filesystem::path& folder);
  /// A small text of the owner's, saved and loaded with the state (its place in the loop).
  void set_note(std::string note);
  const std::string& note() const;

  /// The live model's weights alone, for eval and for shipping; load_weights sets live, teacher and student.
  void save_weights(const std::filesystem::path& file) const;
  void load_weights(const std::filesystem::path& file);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The model and working size a weights file was saved with; everything else as by default. Throws Error when
/// it is no such file.
EngineOptions options_of_weights(const std::filesystem::path& file);

/// Which device the engine would use and with what ("cpu, 2 threads" or the GPU's name).
std::string device_text(const EngineOptions& options);

/// LibTorch as it is linked, and the GPUs that it sees: "LibTorch 2.9.1, CUDA 13.0, 1 GPU".
std::string learner_text();
int visible_gpus();

}  // namespace driftloop::adapt
