// The scans of a round that is not decided yet, in a folder: looking through a pool takes minutes, and a
// vehicle stops when it likes. The next process goes on behind the last chunk.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "adapt/acquisition/options.h"
#include "adapt/acquisition/scan.h"
#include "adapt/data/frame_pool.h"
#include "adapt/region.h"

namespace driftloop::adapt {

/// What was settled before the first frame was scanned; it holds for all of the round, whatever comes into
/// the pool or leaves it meanwhile.
struct RoundPlan {
  Budget budget;
  std::vector<PoolFrame> frames;
  std::vector<Region> guard;
};

class ScanLog {
 public:
  /// `folder` is made when missing and holds nothing else. `key` names the round and everything that a scan
  /// depends on: what was written under another key, or is damaged, is deleted. Throws Error when the folder
  /// cannot be used.
  ScanLog(std::filesystem::path folder, const std::string& key, int save_every_frames);

  /// The plan that is under way; none = begin() one.
  const std::optional<RoundPlan>& plan() const { return plan_; }
  void begin(const RoundPlan& plan);

  /// The scan of a frame (index in the plan), handed out once; none = it must be made and added.
  std::optional<Scan> take(std::size_t frame);
  /// Kept in memory until `save_every_frames` of them, or save(), make a chunk of them.
  void add(std::size_t frame, const Scan& scan);
  /// Writes what is in memory, durably.
  void save();
  /// The round is decided: deletes everything.
  void clear();

  int found() const { return found_; }  // frames that an earlier process had scanned
  /// "" or why scans could not be written (disk full): the round goes on, an interruption costs more.
  const std::string& problem() const { return problem_; }

 private:
  void read_plan();
  void read_chunks();
  void write(const std::filesystem::path& file, const std::map<std::string, at::Tensor>& tensors);

  std::filesystem::path folder_;
  std::string key_;
  std::string plan_digest_;
  std::size_t save_every_;
  std::optional<RoundPlan> plan_;
  std::map<std::size_t, Scan> scans_;          // read and not yet taken
  std::map<std::string, at::Tensor> unsaved_;  // tensors of the next chunk
  std::size_t unsaved_frames_ = 0;
  int next_chunk_ = 0;
  int found_ = 0;
  std::string problem_;
};

}  // namespace driftloop::adapt
