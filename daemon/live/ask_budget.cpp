#include "daemon/live/ask_budget.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace driftloop::daemon {
namespace {

constexpr double kDay = 86'400;
constexpr double kNoClockBefore = 1'767'225'600;  // 2026-01-01: an earlier wall clock has not been set yet
constexpr double kMerged = 600;  // asked within so many seconds: one row, of the age of its first
constexpr double kProof =
    3'600;  // so long behind the mark, with a clock that was set: the mark came from a wrong clock

double since_epoch(auto time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

std::optional<std::int64_t> whole_regions_per_day(const AskLimits& limits) {
  const auto a_day = regions_per_day(limits);
  if (!a_day) return std::nullopt;
  return static_cast<std::int64_t>(std::ceil(*a_day));
}

}  // namespace

Now now_here() {
  return {since_epoch(std::chrono::system_clock::now()), since_epoch(std::chrono::steady_clock::now())};
}

std::optional<double> regions_per_day(const AskLimits& limits) {
  if (!limits.label_seconds_per_day) return limits.regions_per_day;
  const double by_time = *limits.label_seconds_per_day / limits.seconds_per_region;
  return std::min(limits.regions_per_day.value_or(by_time), by_time);
}

std::optional<std::int64_t> AskBudget::available(const AskLimits& limits, Now now) {
  const double ran = last_steady_s_ < 0 ? 0 : std::max(0.0, now.steady_s - last_steady_s_);
  last_steady_s_ = now.steady_s;
  double passed = ran;
  if (fund_.mark_s == 0) {
    fund_.mark_s = now.wall_s;
  } else if (now.wall_s >= fund_.mark_s) {
    passed = std::max(ran, now.wall_s - fund_.mark_s);
    fund_.mark_s = now.wall_s;
    behind_s_ = 0;
  } else {
    behind_s_ += ran;
    if (behind_s_ >= kProof && now.wall_s >= kNoClockBefore) fund_.mark_s = now.wall_s;
  }
  fund_.clock_s += passed;
  for (auto& asked : fund_.last_day) asked.age_s += passed;
  std::erase_if(fund_.last_day, [](const AskFund::Asked& asked) { return asked.age_s >= kDay; });
  const auto a_day = whole_regions_per_day(limits);
  if (!a_day) return std::nullopt;
  return std::max<std::int64_t>(0, *a_day - spent());
}

void AskBudget::spend(std::int64_t regions) {
  auto& last = fund_.last_day;
  if (regions <= 0) return;
  if (!last.empty() && last.back().age_s < kMerged)
    last.back().regions += regions;
  else
    last.push_back({regions, 0});
}

double AskBudget::seconds_until(const AskLimits& limits, std::int64_t regions) const {
  const auto a_day = whole_regions_per_day(limits);
  if (!a_day) return 0;
  std::int64_t free = *a_day - spent();
  double seconds = 0;
  for (const auto& asked : fund_.last_day) {
    if (free >= std::min(regions, *a_day)) break;
    free += asked.regions;
    seconds = kDay - asked.age_s;
  }
  return seconds;
}

std::int64_t AskBudget::spent() const {
  std::int64_t sum = 0;
  for (const auto& asked : fund_.last_day) sum += asked.regions;
  return sum;
}

}  // namespace driftloop::daemon
