// What systemd is told, when the program runs under it; nothing otherwise.
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace driftloop::station {

void tell_ready(const std::string& status);
void tell_stopping();

/// Feeds the watchdog at half its period and refreshes the status line. Called from the loop that does the
/// work.
class Heartbeat {
 public:
  Heartbeat();
  void beat(std::chrono::steady_clock::time_point now, const std::string& status);

 private:
  std::chrono::microseconds period_{};  // 0 = no watchdog asked for
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace driftloop::station
