// Our programs as a person starts them: from a command line, with an end, a status and what they said.
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "daemon/child_process.h"

namespace driftloop::e2e {

inline const std::string kDriftloop = DRIFTLOOP_PROGRAM;
inline const std::string kDriftloopd = DRIFTLOOPD_PROGRAM;
inline const std::string kStation = DRIFTLOOP_STATION_PROGRAM;

/// A whole test shares one machine with others: a deadline is there to end a hang, not to measure.
inline constexpr std::chrono::seconds kPatience{DRIFTLOOP_E2E_PATIENCE_S};

struct Outcome {
  int status = -1;  // 128 + signal when a signal ended it; -1: it was still running at the deadline
  std::string out;
  std::string err;
  /// Both, for the message of a failed expectation.
  std::string all() const { return "status " + std::to_string(status) + "\n" + out + err; }
};

/// Runs a program to its end, its files (stdout, stderr) in `scratch`.
Outcome run(const std::vector<std::string>& command, const std::filesystem::path& scratch,
            std::chrono::seconds patience = kPatience);

/// Looks at `condition` again and again until it holds or `patience` is over. Whether it held.
bool eventually(const std::function<bool()>& condition, std::chrono::seconds patience = kPatience);

/// SIGKILL, and the end of it. Whether the program was alive until then.
bool kill_now(std::unique_ptr<daemon::ChildProcess>& program);

/// The file as JSON; an empty object when it is not there. A file that is there and is no JSON fails the
/// test.
nlohmann::json read_json(const std::filesystem::path& file);
/// One JSON value a line; empty when the file is not there.
std::vector<nlohmann::json> read_json_lines(const std::filesystem::path& file);

/// The lines of `text` that are not empty.
std::vector<std::string> lines_of(const std::string& text);

}  // namespace driftloop::e2e
