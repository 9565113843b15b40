#include "daemon/bench/training_place.h"

#include <nlohmann/json.hpp>

#include "config/check.h"

namespace driftloop::daemon {

std::string encode_training_place(const TrainingPlace& place) {
  return nlohmann::json{{"round", place.round},
                        {"asked", place.asked},
                        {"first_step", place.first_step},
                        {"bad_steps", place.bad_steps},
                        {"memory_failures", place.memory_failures},
                        {"seconds", place.seconds},
                        {"loss_sums", place.loss_sums},
                        {"good_steps", place.good_steps}}
      .dump();
}

TrainingPlace decode_training_place(const std::string& note) {
  try {
    const auto j = nlohmann::json::parse(note);
    return {j.at("round"),           j.at("asked"),   j.at("first_step"), j.at("bad_steps"),
            j.at("memory_failures"), j.at("seconds"), j.at("loss_sums"),  j.at("good_steps")};
  } catch (const nlohmann::json::exception& error) {
    throw Error("the saved state does not say how far its training had come (" + std::string(error.what()) +
                "): an older build made it; give another --out");
  }
}

}  // namespace driftloop::daemon
