// The error vocabulary. A broken contract is CheckError (our bug), a world that failed for good or a user's
// mistake is Error (one line: what was being done, on what, what to do). Ordinary outcomes (timeout, end,
// full) are return values, never these.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace driftloop {

/// Our own bug: a precondition or invariant that did not hold. Checked in release builds too.
struct CheckError : std::logic_error {
  using std::logic_error::logic_error;
};

/// The world failed, or the user asked for something that cannot be. `what()` is one line a person can act
/// on.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

namespace detail {
[[noreturn]] void throw_check(const char* condition, const char* file, int line, const std::string& values);
template <class... Ts>
std::string join_values(const Ts&... values) {
  std::ostringstream out;
  [[maybe_unused]] const char* separator = "";
  ((out << separator << values, separator = ", "), ...);
  return out.str();
}
}  // namespace detail
}  // namespace driftloop

/// DL_CHECK(condition, values...): throws CheckError with the condition, the place and the values.
#define DL_CHECK(condition, ...)                                                       \
  do {                                                                                 \
    if (!(condition))                                                                  \
      ::driftloop::detail::throw_check(#condition, __FILE__, __LINE__,                 \
                                       ::driftloop::detail::join_values(__VA_ARGS__)); \
  } while (false)
