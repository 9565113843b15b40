// What the loop does between its steps: it waits for the outside, for memory, and meanwhile looks at new
// frames.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "config/check.h"
#include "config/redact.h"
#include "daemon/live/live_loop.h"

namespace driftloop::daemon {
namespace {
using Clock = std::chrono::steady_clock;

constexpr auto kLook = std::chrono::milliseconds(500);  // between two looks while waiting for the outside
constexpr auto kMemoryPause = std::chrono::seconds(10);
// Looking at frames in between is no hurry: it may take so small a part of the time, and wears the flash by
// some 8 KB a frame.
constexpr auto kLeastPause = std::chrono::seconds(5);
constexpr int kPauseByCost = 20;

}  // namespace

/// Until something new is told, or half a second.
void LiveLoop::rest() {
  describe_one();
  parts_.news.wait(stop_, kLook);
  parts_.health.progress(Owner::adapt);
}

/// Tells the store what the live model sees in the newest frame that it has not looked at: from then on the
/// store judges in the model's eyes what is new.
void LiveLoop::describe_one() {
  if (!has_model_ || Clock::now() < describe_next_) return;
  const auto start = Clock::now();
  const std::string space = engine_.live().feature_space();
  for (const auto& id : parts_.store.without_feature(space, 1)) {
    const cv::Mat image = store_pool_.image_rgb(id);  // each once: not for the cache
    if (image.empty()) continue;                      // evicted meanwhile
    try {
      parts_.store.set_feature(id, engine_.live().describe(image), space);
    } catch (const adapt::OutOfMemory&) {
      describe_next_ = start + kMemoryPause;  // it only helps to choose: no reason to say anything
      return;
    }
  }
  describe_next_ =
      Clock::now() + std::max<Clock::duration>(kLeastPause, kPauseByCost * (Clock::now() - start));
}

/// Does `work`; where there is no memory for it, says so, waits and tries again. False at a stop.
bool LiveLoop::with_memory(const std::function<void()>& work) {
  const std::string before = shown_.message;
  while (true) {
    try {
      work();
      if (shown_.message != before) show(shown_.phase, before);
      return true;
    } catch (const adapt::OutOfMemory& error) {
      if (!wait_for_memory(error.what())) return false;
    }
  }
}

bool LiveLoop::wait_for_memory(const std::string& why) {
  show(shown_.phase, why + "; it is tried again each " + std::to_string(kMemoryPause.count()) + " s");
  const auto until = Clock::now() + kMemoryPause;
  while (!stopping() && Clock::now() < until) {
    parts_.news.wait(stop_, kLook);
    parts_.health.progress(Owner::adapt);
  }
  return !stopping();
}

bool LiveLoop::wait_for_frames(std::size_t at_least) {
  while (!stopping()) {
    const std::size_t frames = parts_.store.size();
    const bool all_there = parts_.health.is_finished(Owner::capture);
    if (frames >= at_least || (all_there && frames > 0)) return true;
    if (all_there)
      throw Error("the source " + config::without_secrets(parts_.options.camera.uri) +
                  " ended and no frame of it was kept: see camera.gate in status.json for why");
    show("capturing");
    rest();
  }
  return false;
}

/// Until `more` frames were stored, whatever went meanwhile, or the source is through.
bool LiveLoop::wait_for_new_frames(std::uint64_t more) {
  const std::uint64_t enough = parts_.store.counters().stored + more;
  while (!stopping() && parts_.store.counters().stored < enough &&
         !parts_.health.is_finished(Owner::capture)) {
    show("capturing", "there is nothing to ask in the frames of now: new ones are waited for");
    rest();
  }
  return !stopping();
}

}  // namespace driftloop::daemon
