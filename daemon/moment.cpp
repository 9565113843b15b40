#include "daemon/moment.h"

#include <time.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "daemon/progress.h"

namespace driftloop::daemon {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

std::int64_t clock_ns(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return time.tv_sec * kSecond + time.tv_nsec;
}

}  // namespace

Moment this_moment() {
  return {clock_ns(CLOCK_REALTIME), clock_ns(CLOCK_BOOTTIME)};
}

double seconds_between(const Moment& then, const Moment& now) {
  return static_cast<double>(now.boot_ns - then.boot_ns) / static_cast<double>(kSecond);
}

std::string boot_id() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id;
}

std::uint64_t process_start_ticks(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string line;
  std::getline(file, line);
  // The second field, the name in parentheses, may hold anything; the 22nd is what is wanted.
  std::istringstream rest(line.substr(std::min(line.rfind(')'), line.size() - 1) + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) rest >> skipped;
  std::uint64_t ticks = 0;
  rest >> ticks;
  return ticks;
}

std::string wall_text(std::int64_t wall_ns) {
  const std::time_t seconds = wall_ns / kSecond;
  std::tm utc{};
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
  return text;
}

std::string age_text(double seconds) {
  seconds = std::max(seconds, 0.0);
  if (seconds < 9.95) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f s", seconds);
    return text;
  }
  constexpr double kTwoDays = 2 * 86'400;
  if (seconds >= kTwoDays) return std::to_string(static_cast<long>(seconds / 86'400)) + " days";
  return duration_text(seconds);
}

}  // namespace driftloop::daemon
