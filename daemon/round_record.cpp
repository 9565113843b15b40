#include "daemon/round_record.h"

#include <sys/resource.h>

#include <nlohmann/json.hpp>

#include "config/check.h"
#include "daemon/judged.h"

namespace driftloop::daemon {

RoundRecord record_of(int round, const adapt::Engine& engine, const adapt::JudgeReport& judged) {
  const auto labels = engine.labels();
  RoundRecord record;
  record.round = round;
  record.steps = engine.step();
  record.labelled_pixels = labels.train_pixels + labels.guard_pixels;
  record.regions = labels.regions;
  record.clicks = labels.clicks;
  record.image_pixels = labels.image_pixels;
  record.asked_regions = labels.asked_regions;
  record.frames = labels.asked_frames;
  record.verdict = verdict_text(judged.verdict);
  record.guard_note = guard_note(judged);
  record.live_score = judged.live_score;
  record.candidate_score = judged.candidate_score;
  record.guard_pixels = judged.guard_pixels;
  rusage used{};
  if (getrusage(RUSAGE_SELF, &used) == 0) record.memory_bytes = std::int64_t{used.ru_maxrss} << 10;
  return record;
}

std::string encode_record(const RoundRecord& r) {
  return nlohmann::json{{"round", r.round},
                        {"steps", r.steps},
                        {"labelled_pixels", r.labelled_pixels},
                        {"regions", r.regions},
                        {"clicks", r.clicks},
                        {"image_pixels", r.image_pixels},
                        {"asked_regions", r.asked_regions},
                        {"frames", r.frames},
                        {"bytes_sent", r.bytes_sent},
                        {"bytes_received", r.bytes_received},
                        {"verdict", r.verdict},
                        {"guard_note", r.guard_note},
                        {"live_score", r.live_score},
                        {"candidate_score", r.candidate_score},
                        {"guard_pixels", r.guard_pixels},
                        {"seconds", r.seconds},
                        {"weights", r.weights},
                        {"memory_bytes", r.memory_bytes}}
      .dump();
}

RoundRecord decode_record(const std::string& line) {
  try {
    const auto j = nlohmann::json::parse(line);
    return {j.at("round"),
            j.at("steps"),
            j.at("labelled_pixels"),
            j.at("regions"),
            j.value("clicks", std::int64_t{0}),
            j.value("image_pixels", std::int64_t{0}),
            j.at("asked_regions"),
            j.at("frames"),
            j.at("bytes_sent"),
            j.at("bytes_received"),
            j.at("verdict"),
            j.at("guard_note"),
            j.at("live_score"),
            j.at("candidate_score"),
            j.at("guard_pixels"),
            j.at("seconds"),
            j.at("weights"),
            j.value("memory_bytes", std::int64_t{0})};
  } catch (const nlohmann::json::exception& error) {
    throw Error("not the record of a round: " + std::string(error.what()) + ": " + line.substr(0, 80));
  }
}

Round report_round(const RoundRecord& record) {
  Round round;
  round.round = record.round;
  round.labelled_pixels = record.labelled_pixels;
  round.regions = record.regions;
  round.clicks = record.clicks;
  round.image_pixels = record.image_pixels;
  round.frames = record.frames;
  round.bytes_sent = record.bytes_sent;
  round.steps = record.steps;
  round.seconds = record.seconds;
  round.memory_bytes = record.memory_bytes;
  if (record.guard_pixels > 0) {  // else nothing was compared
    round.guard = guard_of(record.verdict);
    round.guard_note = record.guard_note;
  }
  return round;
}

}  // namespace driftloop::daemon
