// What a round came to, in either loop: a line of rounds.jsonl on the vehicle, a round of the report offline.
#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "adapt/engine.h"
#include "daemon/report/report.h"

namespace driftloop::daemon {

/// Counts are totals from the beginning; `seconds` alone are those of the round.
struct RoundRecord {
  int round = 0;
  std::int64_t steps = 0;
  std::int64_t labelled_pixels = 0;
  std::int64_t regions = 0;       // answered
  std::int64_t clicks = 0;        // of who answered them (adapt/region.h); whole images are not in them
  std::int64_t image_pixels = 0;  // labelled in whole images
  std::int64_t asked_regions = 0;
  std::int64_t frames = 0;      // that a region was asked of
  std::int64_t bytes_sent = 0;  // on the wire
  std::int64_t bytes_received = 0;
  std::string verdict;     // verdict_text()
  std::string guard_note;  // why
  double live_score = 0;   // of the guard, before the round
  double candidate_score = 0;
  std::int64_t guard_pixels = 0;
  std::map<std::string, double> seconds;  // stage -> wall time
  std::string weights;                    // of the live model after it, relative to the state; "" = not kept
  std::int64_t memory_bytes = 0;          // of this process at most
  bool operator==(const RoundRecord&) const = default;
};

/// What the learner knows of the round that it just judged.
RoundRecord record_of(int round, const adapt::Engine& engine, const adapt::JudgeReport& judged);

/// One line of JSON and back. Throws Error when the line is not a record.
std::string encode_record(const RoundRecord& record);
RoundRecord decode_record(const std::string& line);

/// The record as the report shows it; its scores over the evaluation split are still to be measured.
Round report_round(const RoundRecord& record);

}  // namespace driftloop::daemon
