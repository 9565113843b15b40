// Points in time of a machine whose wall clock may step: a vehicle starts without a network, and GPS or NTP
// sets the clock later. Ages are counted by the time since the boot, the wall clock is kept for people.
#pragma once
#include <cstdint>
#include <string>

namespace driftloop::daemon {

struct Moment {
  std::int64_t wall_ns = 0;  // since 1970, UTC, as the clock showed it then
  std::int64_t boot_ns = 0;  // since this boot, suspended time included; negative = before it
};

Moment this_moment();

/// Seconds from `then` to `now`, both of this boot's count.
double seconds_between(const Moment& then, const Moment& now);

/// The kernel's name of this boot, "" where it has none.
std::string boot_id();

/// When the process began, in the kernel's clock ticks since the boot: with its number, which is given anew,
/// it names one process. 0 when there is none or it cannot be seen.
std::uint64_t process_start_ticks(std::int64_t pid);

/// "2026-11-24T10:31:05Z".
std::string wall_text(std::int64_t wall_ns);

/// "0.4 s", "12 s", "3 min 20 s", "2 h 5 min", "4 days".
std::string age_text(double seconds);

}  // namespace driftloop::daemon
