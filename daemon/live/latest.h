// How values cross from one thread to another: a queue of one place in which the newest value wins. Readers
// never block writers for longer than a copy.
#pragma once
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <utility>

namespace driftloop::daemon {

template <class T>
class Latest {
 public:
  explicit Latest(T value = {}) : value_(std::move(value)) {}
  void set(T value) {
    const std::lock_guard lock(mutex_);
    value_ = std::move(value);
    ++revision_;
  }
  T get() const {
    const std::lock_guard lock(mutex_);
    return value_;
  }
  /// Counts the calls of set().
  std::uint64_t revision() const {
    const std::lock_guard lock(mutex_);
    return revision_;
  }

 private:
  mutable std::mutex mutex_;
  T value_;
  std::uint64_t revision_ = 0;
};

/// "Something new is there": told by capture and uplink, waited for by the loop. Several tellings before one
/// wait count as one.
class News {
 public:
  void tell() {
    {
      const std::lock_guard lock(mutex_);
      fresh_ = true;
    }
    arrived_.notify_all();
  }
  /// Returns when something was told since the last wait, when `stop` was requested, or after `at_most`.
  void wait(const std::stop_token& stop, std::chrono::milliseconds at_most) {
    std::unique_lock lock(mutex_);
    arrived_.wait_for(lock, stop, at_most, [&] { return fresh_; });
    fresh_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any arrived_;
  bool fresh_ = false;
};

}  // namespace driftloop::daemon
