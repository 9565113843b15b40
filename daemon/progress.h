// Progress of long work: a file that another process reads, and a line on the terminal with the time that is
// left.
#pragma once
#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "daemon/stage_plan.h"

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
  /// The same with an estimate of what is left. Never 100 % before finish().
  void show(const Remaining& remaining, const std::string& doing);
  /// Ends the line with `text`.
  void finish(const std::string& text);

 private:
  bool is_due();
  void print(double share, double left_s, const std::string& doing);

  bool terminal_;
  std::chrono::steady_clock::time_point start_, last_{};
};

/// The line of a run of planned stages.
class PlannedProgress {
 public:
  explicit PlannedProgress(std::vector<PlannedStage> stages);
  /// `stage` has come to `share`, 0..1. What it had when it was first heard of is the work of an earlier run.
  void at(const std::string& stage, double share, const std::string& doing);
  void finish(const std::string& text);

 private:
  double now_s() const;

  ProgressLine line_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  StagePlan plan_;
  std::string stage_;
};

/// "1 min 20 s".
std::string duration_text(double seconds);

}  // namespace driftloop::daemon
