#include "tests/e2e/programs.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <sstream>
#include <thread>

#include "config/durable_file.h"

namespace driftloop::e2e {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

Outcome run(const std::vector<std::string>& command, const fs::path& scratch, std::chrono::seconds patience) {
  fs::create_directories(scratch);
  const fs::path out = scratch / "stdout", err = scratch / "stderr";
  fs::remove(out);
  fs::remove(err);
  std::vector<std::string> parted = {"/bin/sh", "-c", "out=$1; shift; exec \"$@\" > \"$out\"", "sh",
                                     out.string()};
  parted.insert(parted.end(), command.begin(), command.end());
  daemon::ChildProcess child(parted, err);
  Outcome outcome;
  outcome.status = child.wait(patience).value_or(-1);
  if (fs::exists(out)) outcome.out = config::read_file(out);
  outcome.err = config::read_file(err);
  return outcome;
}

bool eventually(const std::function<bool()>& condition, std::chrono::seconds patience) {
  const auto until = Clock::now() + patience;
  while (!condition()) {
    if (Clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // between two looks
  }
  return true;
}

bool kill_now(std::unique_ptr<daemon::ChildProcess>& program) {
  const bool alive = !program->wait(std::chrono::milliseconds(0)).has_value();
  if (alive) ::kill(program->pid(), SIGKILL);
  EXPECT_TRUE(program->wait(kPatience).has_value()) << "a killed process did not end";
  return alive;
}

nlohmann::json read_json(const fs::path& file) {
  if (!fs::exists(file)) return nlohmann::json::object();
  const std::string text = config::read_file(file);
  nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  EXPECT_FALSE(json.is_discarded()) << file << " is not JSON:\n" << text;
  return json.is_discarded() ? nlohmann::json::object() : json;
}

std::vector<nlohmann::json> read_json_lines(const fs::path& file) {
  std::vector<nlohmann::json> values;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    values.push_back(nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false));
    EXPECT_FALSE(values.back().is_discarded()) << file << " holds a line that is not JSON: " << line;
  }
  return values;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) lines.push_back(line);
  return lines;
}

}  // namespace driftloop::e2e
