#include "daemon/judged.h"

#include <cstdio>

namespace driftloop::daemon {

const char* verdict_text(adapt::Verdict verdict) {
  switch (verdict) {
    case adapt::Verdict::promoted:
      return "promoted";
    case adapt::Verdict::rolled_back:
      return "rolled_back";
    case adapt::Verdict::no_guard:
      return "no_guard";
  }
  return "unknown";
}

Guard guard_of(adapt::Verdict verdict) {
  switch (verdict) {
    case adapt::Verdict::promoted:
      return Guard::promoted;
    case adapt::Verdict::rolled_back:
      return Guard::rolled_back;
    case adapt::Verdict::no_guard:
      break;
  }
  return Guard::none;
}

Guard guard_of(const std::string& verdict) {
  for (const auto known : {adapt::Verdict::promoted, adapt::Verdict::rolled_back})
    if (verdict == verdict_text(known)) return guard_of(known);
  return Guard::none;
}

std::string guard_note(const adapt::JudgeReport& judged) {
  const auto pixels = std::to_string(judged.guard_pixels);
  if (judged.verdict == adapt::Verdict::no_guard)
    return "too few guard pixels (" + pixels + "): the live model stays";
  if (judged.guard_pixels == 0) return "no guard set: every candidate goes live";
  const bool refused = judged.verdict == adapt::Verdict::rolled_back;
  std::string outcome;
  for (const auto& name : judged.lost_classes) outcome += (outcome.empty() ? ": lost " : ", ") + name;
  if (outcome.empty() && judged.candidate_score < judged.live_score)
    outcome = refused ? ": lower by more than is allowed" : ": lower, but by no more than is allowed";
  else if (outcome.empty() && refused)
    outcome = ": too far below the best that was live";
  char text[256];
  std::snprintf(text, sizeof text,
                "guard pixels right, mean of classes: live %.1f %%, candidate %.1f %% (s.e. %.1f, %s pixels)",
                100 * judged.live_score, 100 * judged.candidate_score, 100 * judged.standard_error,
                pixels.c_str());
  return text + outcome;
}

}  // namespace driftloop::daemon
