// What the daemon says about itself: status.json for programs and `driftloop status`, one line for systemd.
// The threads put in what they know; main (and the loop at each change of phase) writes it out. Each moment
// stands there as a wall time and as an age, so that a clock that steps does not lie.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>

#include "capture/gate.h"
#include "capture/source.h"
#include "daemon/live/health.h"
#include "daemon/moment.h"
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
  /// `file` is written at most about once a second, without fsync: it is a display. At a stop it is written
  /// into the state folder as well (durably, once), where `file` in /run does not survive the service; "" =
  /// the folder of `file`. Totals on the wire and what happened last continue from what an earlier run left
  /// in either.
  explicit LiveStatus(std::filesystem::path file, std::filesystem::path state = {});

  /// Changes the loop's part and, when the phase or the message changed, writes the file at once.
  void loop(const LoopStatus& status);
  /// The loop's part as it was last told, now with this phase and message.
  void loop_phase(const std::string& phase, const std::string& message);
  void capture(const CaptureStatus& status);
  void link(const LinkStatus& status);
  /// Why an owner cannot do its work (Health::trouble), "" while it can.
  void trouble(Owner owner, const std::string& why);

  /// Over all runs, with what an interrupted run of the last second may have lost.
  std::int64_t bytes_sent() const;
  std::int64_t bytes_received() const;
  /// A saved state knows of more than the file did.
  void at_least(std::int64_t bytes_sent, std::int64_t bytes_received);

  /// One line for people.
  std::string line() const;
  /// Writes the file when something changed since it was written, at most once a second, and every ten
  /// seconds as a sign of life; `stopped` always.
  enum class Ending { running, stopped };
  void write(std::chrono::steady_clock::time_point now, Ending ending = Ending::running);

 private:
  void continue_from(const std::filesystem::path& file);
  std::string json_text(Ending ending) const;
  void write_now(Ending ending);
  void happened(const std::string& what) { moments_[what] = this_moment(); }

  std::filesystem::path file_, state_;
  mutable std::mutex mutex_;
  std::mutex writing_;
  LoopStatus loop_;
  CaptureStatus capture_;
  LinkStatus link_;
  std::array<std::string, kOwners> trouble_;
  std::map<std::string, Moment> moments_;               // under mutex_, as all above
  std::int64_t sent_before_ = 0, received_before_ = 0;  // earlier runs
  bool changed_ = true;
  std::chrono::steady_clock::time_point written_{};
};

}  // namespace driftloop::daemon
