// The loop of the vehicle: ask -> wait -> merge -> train -> judge, for ever. Its thread owns the learner.
#pragma once
#include <memory>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "adapt/engine.h"
#include "capture/frame_store.h"
#include "daemon/daemon_options.h"
#include "daemon/health.h"
#include "daemon/latest.h"
#include "daemon/live_place.h"
#include "daemon/live_status.h"
#include "daemon/region_codec.h"
#include "daemon/state_folder.h"
#include "daemon/store_pool.h"
#include "uplink/outbox.h"

namespace driftloop::daemon {

/// Everything outlives the loop.
struct LiveParts {
  const DaemonOptions& options;     // as at the start
  const Latest<LoopOptions>& pace;  // as reloaded since
  const StateFolder& state;
  capture::FrameStore& store;
  uplink::Outbox& outbox;
  LiveStatus& status;
  Health& health;
  News& news;
};

class LiveLoop {
 public:
  /// Resumes the saved state or takes the start weights. Throws Error: state of another model or seed, no
  /// start weights, no such replay data.
  LiveLoop(const LiveParts& parts, std::stop_token stop);

  enum class End { rounds_done, stopped };
  /// Until the rounds are done or a stop is requested; what was saved is continued by the next LiveLoop on
  /// the same folder. Throws Error.
  End run();

  const adapt::Engine& engine() const { return engine_; }

 private:
  bool first_model();
  bool wait_for_frames(std::size_t at_least);
  bool ask();
  bool queue_regions();
  bool wait_for_labels();
  void merge();
  bool train();
  void finish_round(const adapt::JudgeReport& judged);
  void publish();
  void save();

  std::vector<adapt::RegionLabel> returned_labels();
  void code_regions(std::span<const std::uint64_t> ids);
  void mark_asked_frames();
  std::string record_of(const adapt::JudgeReport& judged) const;
  void close_unanswerable(std::set<std::string>& open);
  void show(const std::string& phase, const std::string& message = {});
  bool stopping() const { return stop_.stop_requested(); }

  LiveParts parts_;
  std::stop_token stop_;
  StorePool pool_;
  adapt::Engine engine_;
  bool has_model_ = false;
  Place place_;
  std::vector<uplink::OutboundItem> items_;  // coded and not yet queued
  LoopStatus shown_;
};

}  // namespace driftloop::daemon
