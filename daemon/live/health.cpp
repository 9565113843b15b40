#include "daemon/live/health.h"

#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <exception>

#ifdef DRIFTLOOP_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

namespace driftloop::daemon {
namespace {

constexpr auto kStatusPeriod = std::chrono::seconds(1);

void notify([[maybe_unused]] const std::string& state) {
#ifdef DRIFTLOOP_SYSTEMD
  sd_notify(0, state.c_str());  // without a service manager this does nothing
#endif
}

}  // namespace

const char* owner_name(Owner owner) {
  constexpr std::array<const char*, kOwners> kNames{"capture", "adapt", "uplink"};
  return kNames[static_cast<std::size_t>(owner)];
}

void Health::ready(Owner owner) {
  of(owner).is_ready = true;
}

void Health::progress(Owner owner) {
  of(owner).moves.fetch_add(1, std::memory_order_relaxed);
}

void Health::finished(Owner owner) {
  of(owner).is_finished = true;
}

void Health::died(Owner owner, std::string why) {
  why.erase(std::min(why.find('\n'), why.size()));  // LibTorch appends a stack of addresses
  const std::lock_guard lock(mutex_);
  if (!death_) death_ = Death{owner, std::move(why)};
}

void Health::degraded(Owner owner, std::string why) {
  why.erase(std::min(why.find('\n'), why.size()));
  const std::lock_guard lock(mutex_);
  of(owner).trouble = std::move(why);
  of(owner).is_ready = true;
}

void Health::recovered(Owner owner) {
  const std::lock_guard lock(mutex_);
  of(owner).trouble.clear();
}

std::string Health::trouble(Owner owner) const {
  const std::lock_guard lock(mutex_);
  return of(owner).trouble;
}

bool Health::all_ready() const {
  for (const auto& state : states_)
    if (!state.is_ready) return false;
  return true;
}

void Health::left(Owner owner) {
  of(owner).has_left = true;
}

bool Health::has_left(Owner owner) const {
  return of(owner).has_left;
}

bool Health::all_left() const {
  return std::all_of(states_.begin(), states_.end(),
                     [](const State& state) { return state.has_left.load(); });
}

bool Health::is_finished(Owner owner) const {
  return of(owner).is_finished;
}

std::optional<Death> Health::death() const {
  const std::lock_guard lock(mutex_);
  return death_;
}

bool Health::all_moved() {
  for (const auto& state : states_)
    if (!state.is_finished && state.moves == state.seen) return false;
  for (auto& state : states_) state.seen = state.moves;
  return true;
}

std::jthread start_owner(Owner owner, Health& health, std::function<void(std::stop_token)> body) {
  return std::jthread([owner, &health, body = std::move(body)](std::stop_token stop) {
    pthread_setname_np(pthread_self(), owner_name(owner));  // for top -H, and for the test that freezes one
    try {
      body(stop);
    } catch (const std::exception& error) {
      health.died(owner, error.what());
    } catch (...) {
      health.died(owner, "an exception of unknown type");
    }
    health.left(owner);
  });
}

ServiceManager::ServiceManager() {
#ifdef DRIFTLOOP_SYSTEMD
  std::uint64_t microseconds = 0;
  if (sd_watchdog_enabled(0, &microseconds) > 0) period_ = std::chrono::microseconds(microseconds);
#endif
}

void ServiceManager::ready(const std::string& status) {
  told_ = status;
  notify("READY=1\nSTATUS=" + status);
}

void ServiceManager::reloading() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const auto microseconds = static_cast<std::int64_t>(now.tv_sec) * 1'000'000 + now.tv_nsec / 1000;
  notify("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(microseconds));
}

void ServiceManager::stopping() {
  notify("STOPPING=1");
}

void ServiceManager::tick(std::chrono::steady_clock::time_point now, Health& health,
                          const std::string& status) {
  // From a quarter of the period on, the moment all have moved: a slow owner has nearly the whole period.
  if (period_.count() > 0 && now - last_fed_ >= period_ / 4 && health.all_moved()) {
    last_fed_ = now;
    notify("WATCHDOG=1");
  }
  if (status == told_ || now - last_status_ < kStatusPeriod) return;
  last_status_ = now;
  told_ = status;
  notify("STATUS=" + status);
}

}  // namespace driftloop::daemon
