// Where the loop stands. It is saved in the learner's own checkpoint (as its note), so that both are always
// of the same moment: after a SIGKILL at any point the loop continues from the last saved place.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/live/ask_budget.h"

namespace driftloop::daemon {

/// What the last saved state has done of its round.
enum class Stage {
  ask,   // nothing yet
  wait,  // regions are chosen and coded; whether they are queued already, the outbox knows
  train  // the labels that came are merged; training goes up to `train_until`
};

/// An asked region whose answer has not been merged.
struct PendingRegion {
  std::string digest;    // of its message
  std::uint64_t id = 0;  // adapt::Region::id
  int round = 0;
  double asked_s = 0;  // by AskBudget::clock_s()
  bool operator==(const PendingRegion&) const = default;
};

struct StageSeconds {
  double propose = 0, send_and_label = 0, merge = 0, train = 0, judge = 0, save = 0;
  bool operator==(const StageSeconds&) const = default;
};

struct Place {
  int round = 1;  // under way
  Stage stage = Stage::ask;
  std::vector<PendingRegion> pending;
  std::string strategy;               // that this round's regions were chosen by
  std::int64_t asked_this_round = 0;  // regions queued for the station
  std::int64_t coded_regions = 0;     // messages made, over all runs, and their bytes
  std::int64_t coded_bytes = 0;
  std::int64_t merged_row = 0;   // last row of the label inbox in the model
  std::int64_t train_until = 0;  // engine step
  std::int64_t bytes_sent = 0;   // on the wire, over all runs
  std::int64_t bytes_received = 0;
  StageSeconds seconds;     // of this round
  std::string last_record;  // the line of the last finished round, for rounds.jsonl
  std::string live_record;  // the line of the round that made the live model; "" = it is the start's
  AskFund ask_fund;         // what may still be asked of people
  bool operator==(const Place&) const = default;
};

std::string encode_place(const Place& place);
/// "" is the beginning. Throws Error when the text is not a place (another version, damage).
Place decode_place(const std::string& note);

}  // namespace driftloop::daemon
