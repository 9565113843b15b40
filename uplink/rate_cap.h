#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>

namespace driftloop::uplink {

/// Bytes per second over everything sent, as a bucket that may run into debt by one message: the average
/// holds over any window that is long against `kBurstSeconds`.
class RateCap {
 public:
  using Clock = std::chrono::steady_clock;
  explicit RateCap(double bytes_per_s) : rate_(bytes_per_s) {}

  bool may_send(Clock::time_point now) {
    if (rate_ <= 0) return true;
    refill(now);
    return tokens_ > 0;
  }
  void spent(std::size_t bytes) { tokens_ -= static_cast<double>(bytes); }

  /// Small chunks under a small cap, so that one chunk never blocks the link for long.
  std::size_t chunk_bytes(std::size_t wanted) const {
    if (rate_ <= 0) return wanted;
    return std::min(wanted, std::max<std::size_t>(1024, static_cast<std::size_t>(rate_ * kBurstSeconds)));
  }
  /// 0 when something may be sent now.
  std::chrono::milliseconds time_until_free(Clock::time_point now) {
    if (may_send(now)) return std::chrono::milliseconds(0);
    return std::chrono::milliseconds(1 + static_cast<long>(-tokens_ / rate_ * 1000));
  }

 private:
  static constexpr double kBurstSeconds = 0.25;
  void refill(Clock::time_point now) {
    if (last_ != Clock::time_point{}) {
      const double elapsed_s = std::chrono::duration<double>(now - last_).count();
      tokens_ = std::min(tokens_ + elapsed_s * rate_, rate_ * kBurstSeconds);
    }
    last_ = now;
  }
  double rate_;
  double tokens_ = 0;
  Clock::time_point last_{};
};

}  // namespace driftloop::uplink
