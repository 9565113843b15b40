#include "station/service.h"

#include <algorithm>

#ifdef DRIFTLOOP_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace driftloop::station {
namespace {

constexpr auto kStatusPeriod = std::chrono::seconds(5);

void notify([[maybe_unused]] const std::string& state) {
#ifdef DRIFTLOOP_SYSTEMD
  sd_notify(0, state.c_str());  // without a service manager this does nothing
#endif
}

}  // namespace

void tell_ready(const std::string& status) {
  notify("READY=1\nSTATUS=" + status);
}

void tell_stopping() {
  notify("STOPPING=1");
}

Heartbeat::Heartbeat() {
#ifdef DRIFTLOOP_SYSTEMD
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) > 0) period_ = std::chrono::microseconds(microseconds / 2);
#endif
}

void Heartbeat::beat(std::chrono::steady_clock::time_point now, const std::string& status) {
  const auto due = period_.count() > 0 ? std::min<std::chrono::microseconds>(period_, kStatusPeriod)
                                       : std::chrono::microseconds(kStatusPeriod);
  if (now - last_ < due) return;
  last_ = now;
  notify((period_.count() > 0 ? "WATCHDOG=1\nSTATUS=" : "STATUS=") + status);
}

}  // namespace driftloop::station
