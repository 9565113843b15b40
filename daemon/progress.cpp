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

void ProgressLine::show(double share, const std::string& doing) {
  const auto now = Clock::now();
  if (now - last_ < (terminal_ ? std::chrono::milliseconds(200) : std::chrono::milliseconds(10'000))) return;
  last_ = now;
  const double spent = std::chrono::duration<double>(now - start_).count();
  const std::string left =
      share > 0.02 ? ", about " + duration_text(spent * (1 - share) / share) + " left" : "";
  std::printf(terminal_ ? "\r\033[K  %3.0f %%  %s%s" : "  %3.0f %%  %s%s\n", 100 * share, doing.c_str(),
              left.c_str());
  std::fflush(stdout);
}

void ProgressLine::finish(const std::string& text) {
  std::printf(terminal_ ? "\r\033[K%s\n" : "%s\n", text.c_str());
  std::fflush(stdout);
}

std::string duration_text(double seconds) {
  const long whole = std::lround(seconds);
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole / 60 % 60) + " min";
}

}  // namespace driftloop::daemon
