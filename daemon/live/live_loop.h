// The loop of the vehicle: ask -> wait -> merge -> train -> judge, for ever. Its thread owns the learner.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "adapt/engine.h"
#include "capture/frame_store.h"
#include "daemon/live/daemon_options.h"
#include "daemon/live/health.h"
#include "daemon/live/latest.h"
#include "daemon/live/live_place.h"
#include "daemon/live/live_status.h"
#include "daemon/live/publication.h"
#include "daemon/live/region_desk.h"
#include "daemon/live/state_folder.h"
#include "daemon/live/store_pool.h"
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
  std::function<Now()> now = now_here;  // for what a day may ask and how long labels are waited for
};

class LiveLoop {
 public:
  /// Resumes the saved state or takes the start weights. Throws Error: state of another model or seed, no
  /// start weights, no such replay data.
  LiveLoop(const LiveParts& parts, std::stop_token stop);

  enum class End { rounds_done, stopped };
  /// Until a stop is requested, or, with loop.at_end = exit, the rounds are done; what was saved is continued
  /// by the next LiveLoop on the same folder. Throws Error.
  End run();

  const adapt::Engine& engine() const { return engine_; }
  /// Asked regions whose answer has not come. For tests; of the loop's thread.
  std::int64_t unanswered() const { return desk_.open(); }

 private:
  DeskParts desk_parts();
  void take_up_memory();
  bool first_model();
  std::optional<adapt::TrainReport> warm_up_slice(adapt::Engine& warm);
  bool wait_for_frames(std::size_t at_least);
  bool wait_for_new_frames(std::uint64_t more);
  void rest();
  void describe_one();
  bool with_memory(const std::function<void()>& work);
  bool wait_for_memory(const std::string& why);
  void retire();
  RoundOptions round() const;
  bool can_learn() const;
  bool ask();
  struct Allowance {
    RoundOptions round;
    std::int64_t regions;  // that it may ask for
  };
  bool propose(const Allowance& allowed, std::vector<std::uint64_t>& chosen);
  bool nothing_chosen() const;
  std::optional<Allowance> wait_for_allowance();
  std::int64_t worth_a_round(const AskLimits& limits, const RoundOptions& round) const;
  bool queue_regions();
  bool wait_for_labels();
  bool merge();
  bool train();
  bool judge();
  adapt::TrainReport train_slice(
      adapt::Engine& engine, std::int64_t until,
      const std::function<void(const adapt::TrainProgress&, std::int64_t step)>& progress);
  void finish_round(const adapt::JudgeReport& judged);
  void publish();
  void publish_live();
  void run_hook();
  enum class Extent { all, memory };
  void save(Extent extent);

  std::string record_line(const adapt::JudgeReport& judged) const;
  void show(const std::string& phase, const std::string& message = {});
  bool stopping() const { return stop_.stop_requested(); }

  LiveParts parts_;
  std::stop_token stop_;
  StorePool store_pool_;
  adapt::CachedPool pool_;
  adapt::Engine engine_;
  bool has_model_ = false;
  Place place_;
  AskBudget budget_;
  RegionDesk desk_;
  Publication publication_;
  std::chrono::steady_clock::time_point describe_next_{};
  LoopStatus shown_;
};

}  // namespace driftloop::daemon
