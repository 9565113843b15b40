// The folder that holds everything durable of one vehicle, and the files in it that others read.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "config/folder_lock.h"

namespace driftloop::daemon {

/// $RUNTIME_DIRECTORY, "" without one. (systemd gives several folders as one text with colons; the first is
/// ours.)
std::filesystem::path runtime_folder();

/// Held by one daemon at a time, until its end, however it ends.
class StateFolder {
 public:
  /// Makes the folder when missing and clears away what a killed daemon was writing. Throws Error when it
  /// cannot be used or another daemon has it.
  explicit StateFolder(std::filesystem::path path);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path outbox() const { return path_ / "outbox.db"; }
  std::filesystem::path model() const { return path_ / "model"; }    // checkpoint slots
  std::filesystem::path scratch() const { return path_ / "scan"; }   // of a choice of regions under way
  std::filesystem::path warmup() const { return path_ / "warmup"; }  // the same, before the first model
  std::filesystem::path round_weights(int round) const;
  std::filesystem::path rounds() const { return path_ / "rounds.jsonl"; }
  /// What the daemon says of itself: in $RUNTIME_DIRECTORY where a service has one (memory, not flash), else
  /// in here.
  std::filesystem::path status() const;
  std::filesystem::path capture() const { return path_ / "capture.json"; }
  std::filesystem::path config() const { return path_ / "config.yaml"; }  // as in effect

  /// "" while the disk has room for `bytes` more, else one line that says it has not.
  std::string space_problem(std::int64_t bytes) const;

 private:
  std::filesystem::path path_;
  config::FolderLock lock_;
};

/// Appends one JSON line with a "round", durably; a line of that round (or a later one) that is there already
/// stays alone. A torn last line is dropped. Throws Error.
void append_round(const std::filesystem::path& file, const std::string& line);

/// The whole lines of the file; none when it is not there.
std::vector<std::string> read_rounds(const std::filesystem::path& file);

}  // namespace driftloop::daemon
