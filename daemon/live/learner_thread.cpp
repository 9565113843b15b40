#include "daemon/live/learner_thread.h"

#include <spdlog/spdlog.h>

#include <algorithm>

#include "config/check.h"

namespace driftloop::daemon {
namespace {
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kFirstWait{5}, kLongestWait{600};
constexpr std::chrono::milliseconds kLook{500};

/// False at a stop.
bool wait_out(const LiveParts& parts, const std::stop_token& stop, std::chrono::seconds wait) {
  const auto until = Clock::now() + wait;
  while (!stop.stop_requested() && Clock::now() < until) {
    parts.news.wait(stop, kLook);
    parts.health.progress(Owner::adapt);
  }
  return !stop.stop_requested();
}

}  // namespace

void run_learner(const LiveParts& parts, std::stop_token stop) {
  auto wait = kFirstWait;
  std::string said;
  while (!stop.stop_requested()) {
    const auto start = Clock::now();
    try {
      LiveLoop loop(parts, stop);
      parts.health.recovered(Owner::adapt);
      parts.health.ready(Owner::adapt);
      if (loop.run() == LiveLoop::End::rounds_done) return parts.health.finished(Owner::adapt);
    } catch (const Error& error) {
      const std::string why = error.what();
      parts.health.degraded(Owner::adapt, why);
      parts.status.loop_phase("degraded", why);
      if (why != said) spdlog::error("nothing is learnt: {}", why);
      said = why;
      if (Clock::now() - start > kLongestWait) wait = kFirstWait;  // it went well for a while
      if (!wait_out(parts, stop, wait)) return;
      wait = std::min(2 * wait, kLongestWait);
    }
  }
}

}  // namespace driftloop::daemon
