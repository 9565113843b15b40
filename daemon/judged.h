// What the engine's judgement is called in records and reports, on the vehicle and offline alike.
#pragma once
#include <string>

#include "adapt/engine.h"
#include "daemon/report/report.h"

namespace driftloop::daemon {

/// "promoted", "rolled_back", "no_guard": the word in rounds.jsonl and status.json.
const char* verdict_text(adapt::Verdict verdict);

Guard guard_of(adapt::Verdict verdict);
/// Of a word of verdict_text(); Guard::none for any other.
Guard guard_of(const std::string& verdict);

/// The scores behind it, or why there are none, in a few words.
std::string guard_note(const adapt::JudgeReport& judged);

}  // namespace driftloop::daemon
