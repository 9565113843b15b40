#include "daemon/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>

namespace driftloop::daemon {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

void ProgressFile::operator()(int done, int total) {
  const auto now = Clock::now();
  if (done < total && now - last_ < std::chrono::milliseconds(300)) return;
  last_ = now;
  const fs::path fresh = file_.string() + ".new";
  std::ofstream(fresh) << done << ' ' << total << '\n';
  std::error_code ignored;
  fs::rename(fresh, file_, ignored);
}

double ProgressFile::share(const fs::path& file) {
  std::ifstream in(file);
  double done = 0, total = 0;
  return in >> done >> total && total > 0 ? std::min(1.0, done / total) : 0;
}

ProgressLine::ProgressLine() : terminal_(::isatty(STDOUT_FILENO) != 0), start_(Clock::now()) {}

bool ProgressLine::is_due() {
  const auto now = Clock::now();
  if (now - last_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(10'000)))
    return false;
  last_ = now;
  return true;
}

/// `left_s` < 0: not known.
void ProgressLine::print(double share, double left_s, const std::string& doing) {
  const std::string left = left_s < 0 ? "" : ", about " + duration_text(left_s) + " left";
  const double percent = std::min(std::floor(100 * share), 99.0);  // 100 is for the end alone
  std::printf(terminal_ ? "\r\033[K  %3.0f %%  %s%s" : "  %3.0f %%  %s%s\n", percent, doing.c_str(),
              left.c_str());
  std::fflush(stdout);
}

void ProgressLine::show(double share, const std::string& doing) {
  if (!is_due()) return;
  const double spent = std::chrono::duration<double>(Clock::now() - start_).count();
  print(share, share > 0.02 ? spent * (1 - share) / share : -1, doing);
}

void ProgressLine::show(const Remaining& remaining, const std::string& doing) {
  if (is_due()) print(remaining.share, remaining.known ? remaining.left_s : -1, doing);
}

void ProgressLine::finish(const std::string& text) {
  std::printf(terminal_ ? "\r\033[K%s\n" : "%s\n", text.c_str());
  std::fflush(stdout);
}

PlannedProgress::PlannedProgress(std::vector<PlannedStage> stages) : plan_(std::move(stages), 0) {}

double PlannedProgress::now_s() const {
  return std::chrono::duration<double>(Clock::now() - start_).count();
}

void PlannedProgress::at(const std::string& stage, double share, const std::string& doing) {
  const double now = now_s();
  plan_.enter(stage, now);
  if (stage != stage_) plan_.skip_share(share);
  stage_ = stage;
  plan_.done_share(share, now);
  line_.show(plan_.remaining(now), doing);
}

void PlannedProgress::finish(const std::string& text) {
  plan_.finish(now_s());
  line_.finish(text);
}

std::string duration_text(double seconds) {
  const long whole = std::lround(seconds);
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

}  // namespace driftloop::daemon
