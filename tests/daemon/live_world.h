// A vehicle's state with a tiny learner and a lab that answers out of the outbox, without threads of capture
// and link.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "daemon/live/live_loop.h"

namespace driftloop::daemon {

inline constexpr std::int64_t kRegions = 6;  // of 64 pixels, a round

DaemonOptions tiny_options(const std::filesystem::path& state);
/// Where its live model is published.
std::filesystem::path live_weights(const StateFolder& state);
/// A two-coloured picture of `size_px`; `shade` sets pictures apart.
capture::Frame two_coloured_frame(const std::string& name, cv::Size size_px, int shade);
/// Weights of the net of tiny_options(), in `folder` (made once).
std::filesystem::path start_weights(const std::filesystem::path& folder);

enum class Camera {
  through,  // a finite source at its end: four frames
  running   // frames come as the test puts them
};

/// A vehicle's state and everything but the threads that fill it.
class Vehicle {
 public:
  explicit Vehicle(DaemonOptions given, Camera camera = Camera::through);

  std::unique_ptr<LiveLoop> loop();
  std::int64_t requests();

  DaemonOptions options;
  StateFolder state;
  capture::FrameStore store;
  uplink::Outbox outbox;
  LiveStatus status;
  Health health;
  News news;
  Latest<LoopOptions> pace;
  std::stop_source stop;
  std::function<Now()> now = now_here;
};

enum class Answers {
  labels,
  refusals,   // answers without a mask
  none_taken  // the station refuses the regions themselves
};

/// Takes regions out of the outbox and puts answers into it, as the link would.
class Lab {
 public:
  Lab(Vehicle& vehicle, Answers answers, std::function<void()> before_first = {});
  ~Lab() { thread_.request_stop(); }

  /// Of the regions answered; to be read when the round is over.
  const std::set<std::string>& frames() const { return frames_; }
  /// By which strategies the regions of each round were chosen.
  std::map<int, std::set<std::string>> strategies() const {
    const std::lock_guard lock(mutex_);
    return strategies_;
  }
  /// One region in so many is never answered; 0 = each is.
  void leave_out_one_in(int every) { leave_out_one_in_ = every; }

 private:
  void work(const std::stop_token& stop);
  uplink::ArrivedLabel answer(const std::string& digest);

  Vehicle& vehicle_;
  Answers answers_;
  std::function<void()> before_first_;
  std::set<std::string> frames_;
  mutable std::mutex mutex_;
  std::map<int, std::set<std::string>> strategies_;
  std::atomic<int> leave_out_one_in_ = 0;
  int taken_ = 0;
  News pause_;
  std::jthread thread_;
};

}  // namespace driftloop::daemon
