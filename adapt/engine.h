// The learner as one object, stepped by its owner: it owns no thread, no socket, no clock and no log. The
// daemon and the benchmark drive the same calls:  train -> propose -> (somebody labels) -> merge -> train ->
// judge -> ...  No LibTorch in this header.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapt/data/frame_pool.h"
#include "adapt/model.h"
#include "adapt/options.h"
#include "adapt/propose.h"
#include "adapt/ranks.h"
#include "adapt/region.h"
#include "config/check.h"

namespace driftloop::adapt {

/// There is not enough memory, on the host or on the device, for what was asked; nothing has changed, and the
/// same call may succeed when some is free again. Any call of an engine but train() may throw it.
struct OutOfMemory : Error {
  using Error::Error;
};

struct TrainProgress {
  int step;   // of this call, from 1
  int steps;  // asked for
  double loss;
};

struct TrainRequest {
  int steps = 0;
  std::stop_token stop = {};
  std::function<void(const TrainProgress&)> progress = {};
  /// Where the time goes, added by part of a step; the device is waited for after each. Null = not asked.
  std::map<std::string, double>* part_seconds = nullptr;
};

struct TrainReport {
  int steps = 0;                                       // done
  int bad_steps = 0;                                   // skipped because the loss was not finite
  std::vector<std::pair<std::string, double>> losses;  // each term's mean over the steps, weighted
  bool stopped = false;                                // by the stop token
  bool gave_up = false;     // too many bad steps: the student went back to the live model
  int memory_failures = 0;  // attempts at a step for which there was no memory
  double batch_share = 1;   // of the configured images per step: halved for want of memory, doubled later
  bool out_of_memory =
      false;  // even the smallest batch was refused max_bad_steps times in a row: wait, train again

  /// The mean of one term; 0 where there is no such term.
  double loss(std::string_view term) const;
  /// "0.412 source, 0.300 target" for people.
  std::string loss_text() const;
};

struct MergeReport {
  std::int64_t train_pixels = 0;  // new pixels to learn from
  std::int64_t guard_pixels = 0;  // new pixels held out
  int regions = 0;
  int unknown_frames = 0;  // regions that were not asked here or are retired, or were merged before
};

enum class Verdict { promoted, rolled_back, no_guard };

struct JudgeReport {
  Verdict verdict = Verdict::no_guard;
  double live_score = 0;  // share of right guard pixels, mean over classes, 0..1
  double candidate_score = 0;
  double standard_error = 0;              // of the difference between the two, over the guard's frames
  double since_best = 0;                  // what earlier promotions lost of the best live model's score, <= 0
  std::vector<std::string> lost_classes;  // that alone turned the candidate down
  std::int64_t guard_pixels = 0;
};

/// Of everything that ever was asked and merged, retired or not.
struct LabelTotals {
  std::int64_t train_pixels = 0;
  std::int64_t guard_pixels = 0;
  std::int64_t regions = 0;        // answered
  std::int64_t asked_regions = 0;  // answered or not
  std::int64_t asked_frames = 0;
  std::int64_t clicks = 0;        // clicks_of() the answers, but for whole images
  std::int64_t images = 0;        // answered whole
  std::int64_t image_pixels = 0;  // labelled in those
};

/// How the teacher follows after weights were loaded: at the full decay, because they have learnt already, or
/// quickly at first, because parts of them are fresh (a backbone of ImageNet under a new head).
enum class EmaStart { warm, fresh };

struct Loaded {
  bool found = false;
  bool spare_live = false;  // the live model is the one of the spare file
  explicit operator bool() const { return found; }
};

class Engine {
 public:
  /// `source` may be null (source-free). `pool` and `ranks` outlive the engine. Several ranks learn one model
  /// from `ranks.count()` times the configured batch and share the look through the pool; they see the same
  /// data, and merge the same labels. Throws Error (bad options, no such device).
  Engine(const EngineOptions& options, std::shared_ptr<const Dataset> source, FramePool& pool,
         std::uint64_t seed, const Ranks& ranks = Ranks::alone());
  ~Engine();
  Engine(Engine&&) noexcept;

  /// Continues from the last step. Randomness depends on (seed, step) alone, so a run resumed from a
  /// checkpoint is the run. A step that finds no memory is tried again with half the images, down to one of
  /// each part; it is never an exception.
  TrainReport train(const TrainRequest& request);
  /// Chooses regions of the pool and marks them as asked; none when the budget or the pool is empty. The
  /// schedule of rounds is the caller's: each call says by which strategy and how many. Stopped,
  /// it changes nothing. A round interrupted after it began is continued by the next call with the same
  /// scratch folder, in this or another process that loaded the same state, as long as neither the teacher
  /// nor the strategy nor the acquisition's options changed: it keeps its frames and its budget (or the
  /// request's, where that is less), frames that came meanwhile wait for the next round, and the result is
  /// that of a call without interruption. Throws Error (the teacher's output is not finite, no such scratch
  /// folder).
  ProposeReport propose(const ProposeRequest& request);
  /// The regions alone, without a scratch folder.
  std::vector<Region> propose(const config::Chosen& strategy, const Budget& budget,
                              std::stop_token stop = {});
  /// What a round may ask for by these options and this strategy, over the frames that it would look at now;
  /// as budget_of(), with the clicks that a region has taken so far; before the first answer, with what tiles
  /// of that share of an image take in the source's labels (click_price.h), or one. Throws Error where those
  /// cannot be read.
  Budget budget(const BudgetOptions& options, const config::Chosen& strategy = config::Chosen("random"),
                const std::optional<double>& bytes_per_region = {}) const;
  /// Takes returned labels; a region merged before changes nothing. Throws Error for a label outside the
  /// label space.
  MergeReport merge(std::span<const RegionLabel> labels);
  /// Compares the candidate (the teacher) with the live model on the guard set (eval/guard.h) and promotes
  /// it; or rolls back to the live model when it is worse than that, or than the best that ever was live, by
  /// more than the tolerance and one standard error, or has lost a class.
  JudgeReport judge();

  /// What is published, and what would be if it were promoted now (the teacher). Both change under the hands
  /// of who holds them.
  const Model& live() const;
  const Model& candidate() const;
  /// A copy of the live model whose batch-norm statistics are of so many frames of the pool: what live()
  /// would be under settings with as many `norm_frames`.
  Model live_on_target(int norm_frames) const;

  std::int64_t step() const;
  LabelTotals labels() const;
  /// Everything asked that is not retired, merged or not, in the order it was asked (by id).
  std::vector<Region> asked() const;
  /// The asked region of this id; nothing when there is none or it is retired.
  std::optional<Region> asked(std::uint64_t id) const;
  /// Forgets the asked regions of frames that are `gone` from the pool, with their labels: without the
  /// picture they teach nothing. Those in `keep` (their answers are still on the way) stay; the totals do not
  /// change. How many were forgotten.
  std::size_t retire(const std::function<bool(const std::string& frame_id)>& gone,
                     const std::set<std::uint64_t>& keep);

  /// Everything, durable, two slots in turn: the last good one stays loadable whatever happens during the
  /// write. Up to state_bytes() each time.
  void save(const std::filesystem::path& folder) const;
  /// What was asked and answered, the counts and the note, but no weights: durable in the same way and cheap
  /// (memory_bytes()). In a folder that holds no state yet it is save().
  void save_memory(const std::filesystem::path& folder) const;
  /// The newest valid state into this engine and, when save_memory() came after it, that memory on top: the
  /// weights may then be older than the labels and the note. Nothing is loaded when the folder holds no
  /// state. `spare_live`: a file of Model::save() to take the live model from where every copy of it in the
  /// folder is damaged, "" = none. Throws Error when the state is of another model or seed, or has no live
  /// model.
  Loaded load(const std::filesystem::path& folder, const std::filesystem::path& spare_live = {});
  /// The memory alone, where load() found no state that can be read (both damaged): what was asked and
  /// answered is not lost with the weights. False when there is none.
  bool load_memory(const std::filesystem::path& folder);
  /// How much save() and save_memory() write at most, as things are now, without looking at the disk.
  std::int64_t state_bytes() const;
  std::int64_t memory_bytes() const;
  /// A small text of the owner's, saved and loaded with the state (its place in the loop).
  void set_note(std::string note);
  const std::string& note() const;

  /// Live, teacher and student become the weights of a file of Model::save(). Throws Error.
  void load_weights(const std::filesystem::path& file, EmaStart start = EmaStart::warm);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// What an engine's state in `folder` has asked and not retired, by id, without an engine; nothing when there
/// is no state.
std::optional<std::vector<Region>> asked_in(const std::filesystem::path& folder);

}  // namespace driftloop::adapt
