// Programs of ours started as processes: the arms of a benchmark, the station and the daemon of the demo.
#pragma once
#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace driftloop::daemon {

class ChildProcess {
 public:
  /// Starts `command` with its output and errors going to the end of `log`. Throws Error when it cannot be
  /// started.
  ChildProcess(const std::vector<std::string>& command, const std::filesystem::path& log);
  /// Asks it to stop (SIGTERM), waits at most 10 s, then kills it.
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&&) = delete;

  /// Waits at most `timeout` for its end. Its exit status once it ended (128 + signal when a signal ended
  /// it), nothing before.
  std::optional<int> wait(std::chrono::milliseconds timeout);
  void terminate();
  void kill();
  pid_t pid() const { return pid_; }
  const std::filesystem::path& log() const { return log_; }
  /// The last lines of its log, for an error message.
  std::string last_words() const;

 private:
  pid_t pid_ = -1;
  int pid_fd_ = -1;  // becomes readable when the process ends
  std::optional<int> status_;
  std::filesystem::path log_;
};

/// The folder of the running program: its sisters lie beside it.
std::filesystem::path program_folder();

}  // namespace driftloop::daemon
