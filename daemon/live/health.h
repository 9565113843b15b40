// Whether the daemon's threads live and get on, and what the service manager is told about it.
#pragma once
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

namespace driftloop::daemon {

enum class Owner { capture, adapt, uplink };
inline constexpr std::size_t kOwners = 3;
const char* owner_name(Owner owner);

struct Death {
  Owner owner;
  std::string why;  // one line
};

/// Shared by all threads. Owners report; main looks.
class Health {
 public:
  /// The owner opened its devices and begins its work.
  void ready(Owner owner);
  /// A frame, a training step, a look at the link: whatever shows that it is not stuck.
  void progress(Owner owner);
  /// It did all there was to do (a finite source ended): nothing more is expected of it.
  void finished(Owner owner);
  void died(Owner owner, std::string why);
  /// The owner's thread is at its very end: joining it takes no time.
  void left(Owner owner);
  /// The owner cannot do its work for now (a missing camera, a state of another model), but lives and tries
  /// again; the others go on. `why` is one line for people. Counts as ready: the service is up, and says what
  /// it lacks.
  void degraded(Owner owner, std::string why);
  void recovered(Owner owner);

  bool all_ready() const;
  bool is_finished(Owner owner) const;
  bool has_left(Owner owner) const;
  bool all_left() const;
  /// Why the owner is degraded, "" while it is not.
  std::string trouble(Owner owner) const;
  /// The first death.
  std::optional<Death> death() const;
  /// True once every owner that has work made progress since the last call that returned true.
  bool all_moved();

 private:
  struct State {
    std::atomic<std::uint64_t> moves{0};
    std::atomic<bool> is_ready{false}, is_finished{false}, has_left{false};
    std::uint64_t seen = 0;  // of moves, by all_moved()
    std::string trouble;     // under mutex_
  };
  State& of(Owner owner) { return states_[static_cast<std::size_t>(owner)]; }
  const State& of(Owner owner) const { return states_[static_cast<std::size_t>(owner)]; }

  std::array<State, kOwners> states_;
  mutable std::mutex mutex_;
  std::optional<Death> death_;
};

/// Runs `body` on a thread of its own; an exception that leaves it is a death, whatever its type.
std::jthread start_owner(Owner owner, Health& health, std::function<void(std::stop_token)> body);

/// What systemd is told; without it, nothing. One owner: main.
class ServiceManager {
 public:
  ServiceManager();
  void ready(const std::string& status);
  /// RELOADING with its time stamp; followed by ready().
  void reloading();
  void stopping();
  /// Feeds the watchdog four times a period while every owner moved since it was last fed (a thread that
  /// hangs is noticed after five quarters of the period at the latest), and sends `status` when it changed.
  void tick(std::chrono::steady_clock::time_point now, Health& health, const std::string& status);

 private:
  std::chrono::microseconds period_{};  // of the watchdog; 0 = none asked for
  std::chrono::steady_clock::time_point last_fed_{}, last_status_{};
  std::string told_;
};

}  // namespace driftloop::daemon
