// What an engine owns, for engine.cpp (learning and choosing) and engine_state.cpp (what is durable).
#pragma once
#include "adapt/data/augment.h"
#include "adapt/data/batches.h"
#include "adapt/data/target_labels.h"
#include "adapt/engine.h"
#include "adapt/files/checkpoint.h"
#include "adapt/round.h"
#include "adapt/train/trainer.h"

namespace driftloop::adapt {

/// A folder with the state, the live model that it names (a file of its own, because it changes with a
/// promotion alone), and the newer memory of what was asked and answered.
struct StateStore {
  explicit StateStore(const std::filesystem::path& path)
      : folder(path), state(path, "state"), live(path, "live"), memory(path, "memory") {}
  std::uint64_t next_revision() const {
    return std::max({state.newest_revision(), live.newest_revision(), memory.newest_revision()}) + 1;
  }
  std::filesystem::path folder;
  Slots state, live, memory;
  /// Of the live model that the engine has now; 0 = it is not stored here.
  std::uint64_t live_revision = 0;
};

struct Engine::Impl {
  Impl(const EngineOptions& options, std::shared_ptr<const Dataset> source_data, FramePool& frame_pool,
       std::uint64_t run_seed, const Ranks& all_ranks);

  /// Gives each region its id.
  void ask(std::vector<Region>& regions, Purpose purpose, const std::map<std::string, cv::Size>& sizes);
  /// False when there was no memory for `work`: then the trainer is mended and the caches are given back.
  bool with_memory(const std::function<void()>& work);

  RoundParts round();
  /// What one region is expected to cost: Engine::budget().
  double clicks_of_a_region(const config::Chosen& strategy, const std::vector<PoolFrame>& frames) const;
  /// Everything that a scan depends on beside its frame.
  std::string round_key(const config::Chosen& strategy);
  /// Kept for the frames that are still there, and only where a round does not look at all of them.
  void note_looked_at(const std::vector<PoolFrame>& frames);

  StateStore& store(const std::filesystem::path& folder);
  /// Every change of the live model goes through here.
  void set_live(const std::function<void(SegmentationNet&)>& change);
  /// The statistics of so many frames of the pool; 0 = the net keeps its own.
  void fit_norm(PlacedNet& net, int frames) const;
  /// Whether it took `spare`.
  bool load_live(const TensorFile& state, StateStore& from, const std::filesystem::path& spare);
  /// Which model, classes and seed, which frames were looked at, and the owner's note.
  void put_identity(TensorFile& file) const;
  /// The last two of put_identity().
  void take_notes(const TensorFile& file);
  /// Throws Error when `file` was made with another model, label space or seed.
  void require_identity(const TensorFile& file, const std::filesystem::path& folder) const;

  EngineOptions options;
  torch::Device device;
  std::shared_ptr<const Dataset> source;
  FramePool& pool;
  std::uint64_t seed;
  const Ranks& ranks;
  Trainer trainer;
  Model live, candidate;
  TargetLabels labels;
  BatchShare batch_share;
  std::set<std::string> looked_at;  // frames that a round has scored
  double since_best = 0;            // JudgeReport
  std::string note;
  std::optional<StateStore> open_store;  // the folder that was last saved to or loaded from
};

}  // namespace driftloop::adapt
