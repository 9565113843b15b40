// Stops one thread of a process and leaves the others running: what a hang of that thread looks like from
// outside. usage: freeze_thread PID NAME    Says "frozen" and stays until the process is gone, then ends with
// 0.
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <fstream>
#include <string>

namespace {

/// The id of the first thread of that name, 0 when there is none.
pid_t thread_named(const std::string& pid, const std::string& name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + pid + "/task")) {
    std::string line;
    if (std::getline(std::ifstream(task.path() / "comm"), line) && line == name)
      return static_cast<pid_t>(std::stol(task.path().filename().string()));
  }
  return 0;
}

int fail(const char* what) {
  std::fprintf(stderr, "freeze_thread: %s: %s\n", what, std::strerror(errno));
  return 1;
}

int freeze(const std::string& pid, const std::string& name) {
  const pid_t thread = thread_named(pid, name);
  if (thread == 0) {
    std::fprintf(stderr, "freeze_thread: process %s has no thread '%s'\n", pid.c_str(), name.c_str());
    return 1;
  }
  if (ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) != 0) return fail("cannot attach");
  if (ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) != 0) return fail("cannot stop the thread");
  int status = 0;
  if (waitpid(thread, &status, __WALL) != thread || !WIFSTOPPED(status)) return fail("it did not stop");
  std::puts("frozen");
  std::fflush(stdout);
  // Never continued. A thread that is traced is a zombie until its tracer looks, and the process with it.
  while (waitpid(thread, &status, __WALL) == thread && WIFSTOPPED(status)) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: freeze_thread PID NAME\n");
    return 2;
  }
  try {
    return freeze(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "freeze_thread: %s\n", error.what());
    return 1;
  }
}
