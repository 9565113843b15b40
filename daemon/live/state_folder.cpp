#include "daemon/live/state_folder.h"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

constexpr std::uintmax_t kLeastFree = 4 << 20;  // beside the state itself: status, index, logs

int round_of(const std::string& line) {
  const auto j = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  return j.is_object() && j.contains("round") && j["round"].is_number_integer() ? j["round"].get<int>() : -1;
}

}  // namespace

StateFolder::StateFolder(fs::path path)
    : path_(std::move(path)),
      lock_(path_, "driftloopd", "stop that one, or give this one its own state folder") {
  for (const auto& folder : {path_, model(), warmup(), path_ / "models", path_ / "published"})
    config::sweep_leftovers(folder);
  if (!runtime_folder().empty()) config::sweep_leftovers(runtime_folder());
}

fs::path runtime_folder() {
  const char* value = std::getenv("RUNTIME_DIRECTORY");
  const std::string text = value ? value : "";
  return text.substr(0, text.find(':'));
}

fs::path StateFolder::status() const {
  const fs::path runtime = runtime_folder();
  return (runtime.empty() ? path_ : runtime) / "status.json";
}

fs::path StateFolder::round_weights(int round) const {
  return path_ / "models" / ("round_" + std::to_string(round) + ".safetensors");
}

std::string StateFolder::space_problem(std::int64_t bytes) const {
  std::error_code error;
  const auto space = fs::space(path_, error);
  const std::uintmax_t needed = kLeastFree + static_cast<std::uintmax_t>(bytes);
  if (error || space.available >= needed) return {};
  return "the disk of " + path_.string() + " is full (" + std::to_string(space.available >> 20) +
         " MiB free, " + std::to_string(needed >> 20) +
         " MiB needed): free some space; nothing is lost meanwhile";
}

std::vector<std::string> read_rounds(const fs::path& file) {
  std::vector<std::string> lines;
  if (!fs::exists(file)) return lines;
  std::istringstream text(config::read_file(file));
  for (std::string line; std::getline(text, line);)
    if (round_of(line) >= 0) lines.push_back(line);
  return lines;
}

void append_round(const fs::path& file, const std::string& line) {
  const int round = round_of(line);
  DL_CHECK(round >= 0, line);
  auto lines = read_rounds(file);
  for (const auto& old : lines)
    if (round_of(old) >= round) return;
  lines.push_back(line);
  std::string text;
  for (const auto& one : lines) text += one + '\n';
  config::write_durably(file, text);
}

}  // namespace driftloop::daemon
