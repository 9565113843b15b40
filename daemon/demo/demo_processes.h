// The demo's live part: a station and a vehicle daemon as real processes on loopback, with fresh keys.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "adapt/region.h"
#include "daemon/bench/offline_options.h"
#include "daemon/report/report.h"

namespace driftloop::daemon {

struct LiveDemo {
  std::filesystem::path out;     // the demo's folder: below it live/ is made
  std::string camera_uri;        // images://...
  std::filesystem::path oracle;  // label PNGs by frame name
  std::string oracle_ids;        // their id table
  int frames = 0;                // of the drive: the pool is complete before the first round
  std::uint64_t seed = 0;
};

class LiveRun {
 public:
  /// Writes keys and configurations and starts both programs. Throws Error with a program's last words when
  /// it does not come up.
  LiveRun(const RunOptions& options, const LiveDemo& demo);
  ~LiveRun();

  /// Steps done of all rounds, 0..1, from the daemon's own status. Throws Error when a program died.
  double share() const;
  /// Whether the daemon has finished its last round and ended.
  bool finished();
  /// The arm it was, scored round by round on the evaluation set from the models it published. Call when
  /// finished. `scored` is told after each of them.
  Arm arm(std::stop_token stop, const std::function<void(int done, int models)>& scored) const;
  /// What it asked for, by frame name.
  std::vector<adapt::Region> asked() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftloop::daemon
