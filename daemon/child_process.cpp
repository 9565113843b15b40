#include "daemon/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <deque>
#include <fstream>
#include <utility>

#include "config/check.h"

extern char** environ;

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {
constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kLastLines = 3;
}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& command, const fs::path& log) : log_(log) {
  DL_CHECK(!command.empty());
  std::vector<char*> arguments;
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
  posix_spawnattr_t
      attributes;  // StopSignals blocks signals in this process; the child starts with none blocked
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error = posix_spawn(&pid_, arguments[0], &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0)
    throw Error("cannot start " + command[0] + " (output to " + log.string() + "): " + std::strerror(error));
  pid_fd_ = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pid_fd_(std::exchange(other.pid_fd_, -1)),
      status_(other.status_),
      log_(std::move(other.log_)) {}

ChildProcess::~ChildProcess() {
  if (pid_ > 0 && !status_) {
    terminate();
    if (!wait(kPatience)) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  if (pid_fd_ >= 0) ::close(pid_fd_);
}

void ChildProcess::terminate() {
  if (pid_ > 0 && !status_) ::kill(pid_, SIGTERM);
}

void ChildProcess::kill() {
  if (pid_ > 0 && !status_) ::kill(pid_, SIGKILL);
}

std::optional<int> ChildProcess::wait(std::chrono::milliseconds timeout) {
  if (status_) return status_;
  pollfd ended{pid_fd_, POLLIN, 0};
  if (pid_fd_ >= 0) ::poll(&ended, 1, static_cast<int>(timeout.count()));
  int status = 0;
  if (::waitpid(pid_, &status, pid_fd_ >= 0 ? WNOHANG : 0) == pid_)
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return status_;
}

std::string ChildProcess::last_words() const {
  std::ifstream in(log_);
  std::deque<std::string> lines;
  for (std::string line; std::getline(in, line);) {
    lines.push_back(line);
    if (lines.size() > kLastLines) lines.pop_front();
  }
  std::string text;
  for (const auto& line : lines) text += (text.empty() ? "" : " | ") + line;
  return text;
}

fs::path program_folder() {
  return fs::read_symlink("/proc/self/exe").parent_path();
}

}  // namespace driftloop::daemon
