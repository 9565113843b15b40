// How much the vehicle may ask of people: in any 24 hours (less ten minutes) no more than the limit. What was
// asked is saved with the loop's place, so that an ignition cycle neither grants nor takes anything.
#pragma once
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace driftloop::daemon {

/// Two clocks, as a vehicle has them: the wall clock may step (no battery: 1970 until the network is there),
/// the steady one stops with the engine.
struct Now {
  double wall_s = 0;    // since 1970
  double steady_s = 0;  // since some point of this process
};
Now now_here();

/// Absent = no limit.
struct AskLimits {
  std::optional<double> regions_per_day = {};
  std::optional<double> label_seconds_per_day = {};  // of people's time
  double seconds_per_region = 15;                    // what one region is reckoned to take them
};

/// What is saved.
struct AskFund {
  struct Asked {
    std::int64_t regions = 0;
    double age_s = 0;  // up to the mark
    bool operator==(const Asked&) const = default;
  };
  std::vector<Asked> last_day;  // oldest first
  double mark_s = 0;            // the latest wall time that was counted
  double clock_s = 0;           // time that has counted since the beginning: never steps
  bool operator==(const AskFund&) const = default;
};

/// Ages grow by the wall clock, so that a vehicle that drives an hour a day may ask as much as one that never
/// stops. A step of that clock grants a day's worth once at the most: time before the latest ever seen does
/// not count again. Where the wall clock is behind that mark, running time alone counts, until the mark
/// proves to have been the wrong one.
class AskBudget {
 public:
  explicit AskBudget(AskFund fund = {}) : fund_(std::move(fund)) {}

  /// Regions that may be asked now, no less than 0; none = as many as one likes.
  std::optional<std::int64_t> available(const AskLimits& limits, Now now);
  /// So many were asked, at the time of the last available().
  void spend(std::int64_t regions);
  /// Seconds from the last available() until `regions` (or all of a day's, if those are fewer) may be asked;
  /// 0 = now.
  double seconds_until(const AskLimits& limits, std::int64_t regions) const;
  /// Time that has counted up to the last available(), seconds: a clock that never steps and goes on over
  /// ignition cycles.
  double clock_s() const { return fund_.clock_s; }
  const AskFund& fund() const { return fund_; }

 private:
  std::int64_t spent() const;

  AskFund fund_;
  double last_steady_s_ = -1;  // of the last count in this process
  double behind_s_ = 0;        // how long the wall clock has been behind the mark, in running time
};

/// Regions a day under both limits; none = no limit.
std::optional<double> regions_per_day(const AskLimits& limits);

}  // namespace driftloop::daemon
