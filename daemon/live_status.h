// What the daemon says about itself: <state>/status.json for programs, one line for systemd and people. The
// threads put in what they know; main (and the loop at each change of phase) writes it out.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>

#include "capture/gate.h"
#include "capture/source.h"
#include "uplink/zmq_vehicle_link.h"

namespace driftloop::daemon {

struct LoopStatus {
  std::string phase = "starting";  // starting|capturing|proposing|waiting|training|judging|done
  std::string message;             // why it does not get on, "" while it does
  int round = 0;
  std::int64_t step = 0;  // of the engine
  std::int64_t labels = 0;
  std::string last_verdict;  // promoted|rolled_back|no_guard, "" before the first
  double live_score = 0, candidate_score = 0;
  std::string device;
};

struct CaptureStatus {
  capture::SourceCounters source;
  std::array<std::uint64_t, capture::kVerdicts> gate{};  // frames by verdict
  std::uint64_t stored = 0;                              // in this run
  std::uint64_t store_full = 0;                          // frames dropped because there was no room
  std::int64_t frames_in_store = 0;
  bool ended = false;
  std::string message;  // the last thing worth saying
};

struct LinkStatus {
  uplink::LinkReport report;
  std::int64_t pending_regions = 0;
  std::string public_key;
};

class LiveStatus {
 public:
  /// Totals on the wire continue from what an earlier run left in `file`.
  explicit LiveStatus(std::filesystem::path file);

  /// Changes the loop's part and, when the phase or the message changed, writes the file at once.
  void loop(const LoopStatus& status);
  void capture(const CaptureStatus& status);
  void link(const LinkStatus& status);

  /// Over all runs, with what an interrupted run of the last second may have lost.
  std::int64_t bytes_sent() const;
  std::int64_t bytes_received() const;
  /// A saved state knows of more than the file did.
  void at_least(std::int64_t bytes_sent, std::int64_t bytes_received);

  /// One line for people.
  std::string line() const;
  /// Writes the file when something changed since it was written, at most once a second; `stopped` always.
  enum class Ending { running, stopped };
  void write(std::chrono::steady_clock::time_point now, Ending ending = Ending::running);

 private:
  std::string json_text(Ending ending) const;
  void write_now(Ending ending);

  std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::mutex writing_;
  LoopStatus loop_;
  CaptureStatus capture_;
  LinkStatus link_;
  std::int64_t sent_before_ = 0, received_before_ = 0;  // earlier runs
  bool changed_ = true;
  std::chrono::steady_clock::time_point written_{};
};

}  // namespace driftloop::daemon
