// Keeps a thing that happens over and over from filling the journal.
#pragma once
#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace driftloop::daemon {

/// Lines of one kind go through once in a period, which doubles each time, up to 64 times the first one,
/// until the kind keeps quiet for two of them; how many more there were is told with the next of the kind.
/// Lines are of one kind when they differ in their numbers alone. One owner, one thread.
class LogLimit {
 public:
  using Clock = std::chrono::steady_clock;
  explicit LogLimit(Clock::duration period = std::chrono::seconds(10)) : period_(period) {}

  /// The line to log, or nothing: it is counted.
  std::optional<std::string> pass(const std::string& line, Clock::time_point now) {
    const std::string kind = kind_of(line);
    const auto found = kinds_.find(kind);
    if (found != kinds_.end() && now - found->second.told < found->second.period) {
      ++found->second.held;
      found->second.latest = line;
      return std::nullopt;
    }
    if (found == kinds_.end() && kinds_.size() >= kMostKinds) forget_oldest();
    Kind& entry = kinds_[kind];
    const std::uint64_t held = std::exchange(entry.held, 0);
    told(entry, now);
    return with_count(line, held);
  }

  /// Lines that were held back and whose period is over: what stops happening is told as well.
  std::vector<std::string> due(Clock::time_point now) {
    std::vector<std::string> lines;
    for (auto& [kind, entry] : kinds_) {
      if (entry.held == 0 || now - entry.told < entry.period) continue;
      lines.push_back(with_count(entry.latest, std::exchange(entry.held, 0) - 1));
      told(entry, now);
    }
    std::erase_if(kinds_, [&](const auto& item) { return now - item.second.told >= 2 * item.second.period; });
    return lines;
  }

 private:
  struct Kind {
    Clock::time_point told{};
    Clock::duration period{};  // from then on
    std::uint64_t held = 0;    // since then
    std::string latest;
  };
  static constexpr std::size_t kMostKinds = 64;
  static constexpr int kLongestPeriod = 64;  // times the first one

  void told(Kind& entry, Clock::time_point now) const {
    entry.told = now;
    entry.period =
        entry.period == Clock::duration{} ? period_ : std::min(2 * entry.period, kLongestPeriod * period_);
  }

  static std::string kind_of(const std::string& line) {
    std::string kind;
    for (const char c : line) {
      const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
      if (!digit)
        kind += c;
      else if (kind.empty() || kind.back() != '#')
        kind += '#';
    }
    return kind;
  }
  static std::string with_count(const std::string& line, std::uint64_t more) {
    return more == 0 ? line : line + " (" + std::to_string(more) + " more like it)";
  }
  void forget_oldest() {
    kinds_.erase(std::min_element(kinds_.begin(), kinds_.end(), [](const auto& a, const auto& b) {
      return a.second.told < b.second.told;
    }));
  }

  Clock::duration period_;
  std::map<std::string, Kind> kinds_;
};

}  // namespace driftloop::daemon
