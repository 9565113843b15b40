// What a run says, in plain words, computed from its numbers.
#pragma once
#include <string>
#include <vector>

#include "daemon/report/report.h"

namespace driftloop::daemon {

enum class Outcome {
  helped,   // better than random regions, or than the start where there is no random arm
  even,     // within half a point of random regions
  lost,     // worse than random regions, or than the start
  unknown,  // the run lacks the arms to tell
};

struct Verdict {
  Outcome outcome = Outcome::unknown;
  std::string headline;              // a few words
  std::string sentence;              // the figures in one sentence
  std::vector<std::string> details;  // what else a reader must know, collapses and unfair comparisons first
};

/// Plain text (UTF-8, not escaped); never throws for a report that to_json accepts.
Verdict judge(const Report& report);

}  // namespace driftloop::daemon
