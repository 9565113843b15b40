// How far a training has come, as its saved state says: the engine's note.
#pragma once
#include <cstdint>
#include <map>
#include <string>

namespace driftloop::daemon {

struct TrainingPlace {
  int round = 1;                // that is under way, from 1
  bool asked = false;           // its labels are merged
  std::int64_t first_step = 0;  // of the engine, when it began
  int bad_steps = 0;            // skipped in it because the loss was not finite
  int memory_failures = 0;
  std::map<std::string, double> seconds;    // stage -> wall time, of it so far
  std::map<std::string, double> loss_sums;  // term -> the sum over its good steps so far
  std::int64_t good_steps = 0;
  bool operator==(const TrainingPlace&) const = default;
};

std::string encode_training_place(const TrainingPlace& place);
/// Throws Error when `note` is not that of a training.
TrainingPlace decode_training_place(const std::string& note);

}  // namespace driftloop::daemon
