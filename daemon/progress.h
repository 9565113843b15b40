// Progress of long work: a file that another process reads, and a line on the terminal with the time that is
// left.
#pragma once
#include <chrono>
#include <filesystem>
#include <string>

namespace driftloop::daemon {

/// Writes "done total" to a file at most a few times a second (not durable: it is a display).
class ProgressFile {
 public:
  explicit ProgressFile(std::filesystem::path file) : file_(std::move(file)) {}
  void operator()(int done, int total);
  /// done / total as last written by any process; 0 when nothing was.
  static double share(const std::filesystem::path& file);

 private:
  std::filesystem::path file_;
  std::chrono::steady_clock::time_point last_{};
};

/// One line, rewritten in place on a terminal, a line every ten seconds elsewhere.
class ProgressLine {
 public:
  ProgressLine();
  /// `share` of the whole work done, 0..1, and what is going on.
  void show(double share, const std::string& doing);
  /// Ends the line with `text`.
  void finish(const std::string& text);

 private:
  bool terminal_;
  std::chrono::steady_clock::time_point start_, last_{};
};

/// "1 min 20 s".
std::string duration_text(double seconds);

}  // namespace driftloop::daemon
