// SIGINT and SIGTERM as a stop token: no handler, a thread of its own waits for them.
#pragma once
#include <stop_token>
#include <thread>

namespace driftloop::daemon {

/// Blocks the two signals in this thread (and those it starts later) and waits for them in one thread. One
/// instance a process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  std::stop_token token() const { return source_.get_token(); }

 private:
  int signal_fd_ = -1, wake_fd_ = -1;
  std::stop_source source_;
  std::jthread watcher_;
};

}  // namespace driftloop::daemon
