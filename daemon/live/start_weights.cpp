#include "daemon/live/start_weights.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "config/check.h"
#include "config/digest.h"
#include "config/durable_file.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

fs::path record_of(const fs::path& state) {
  return state / "start_weights.json";
}

struct FileMark {
  std::int64_t bytes = -1, changed_ns = 0;
};

FileMark mark_of(const fs::path& file) {
  struct stat info {};
  if (::stat(file.c_str(), &info) != 0) return {};
  return {info.st_size, info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
}

}  // namespace

void note_start_weights(const fs::path& state, const fs::path& weights) {
  const FileMark mark = mark_of(weights);
  const nlohmann::json record = {{"file", fs::absolute(weights).lexically_normal().string()},
                                 {"bytes", mark.bytes},
                                 {"changed_ns", mark.changed_ns},
                                 {"sha256", config::sha256_hex(config::read_file(weights))}};
  config::write_durably(record_of(state), record.dump(2) + '\n');
}

std::string start_weights_notice(const fs::path& state, const std::string& weights) {
  std::error_code error;
  if (weights.empty() || !fs::is_regular_file(record_of(state), error)) return {};
  const auto record =
      nlohmann::json::parse(config::read_file(record_of(state)), nullptr, /*allow_exceptions=*/false);
  if (!record.is_object()) return {};
  const std::string began = record.value("file", "");
  const bool same_file = fs::absolute(weights).lexically_normal() == began;
  const FileMark mark = mark_of(weights);
  const bool untouched = mark.bytes == record.value("bytes", std::int64_t{-1}) &&
                         mark.changed_ns == record.value("changed_ns", std::int64_t{0});
  if (same_file && untouched) return {};
  // A file that is gone was used already and is not missed; a copy or a touched one is told by its content.
  if (mark.bytes < 0) return {};
  if (mark.bytes == record.value("bytes", std::int64_t{-1}) &&
      config::sha256_hex(config::read_file(weights)) == record.value("sha256", ""))
    return {};
  return "loop.weights " + weights + " is not used: the model in " + state.string() + " began with " +
         (same_file ? "an earlier content of that file" : began) +
         " and has learnt since; to begin anew from the new file, stop the daemon and move " +
         (state / "model").string() + " away";
}

std::string look_at_start_weights(const fs::path& state, const std::string& weights, Began began) {
  try {
    std::error_code error;
    const bool unknown = began == Began::now || !fs::exists(record_of(state), error);
    if (!weights.empty() && unknown && fs::is_regular_file(weights, error))
      note_start_weights(state, weights);
    return start_weights_notice(state, weights);
  } catch (const std::exception& problem) {
    return std::string("it cannot be told whether loop.weights is what the model began with: ") +
           problem.what();
  }
}

}  // namespace driftloop::daemon
