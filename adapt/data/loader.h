// Samples made ahead of time by worker threads, which live as long as this object: within one call of
// Engine::train().
#pragma once
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "adapt/data/sampler.h"

namespace driftloop::adapt {

class Loader {
 public:
  /// `draw` is called by the workers and by take(), several at once. No workers: take() does all the work.
  /// Where the system refuses a thread there are fewer.
  Loader(std::function<std::optional<Sample>(const SampleKey&)> draw, int workers);
  ~Loader();

  /// Has it made, unless that is asked already.
  void ask(const SampleKey& key);
  /// Waits for a worker that is at it; what no worker has begun is made here. Throws what making it threw;
  /// the next take() of the key tries again.
  std::optional<Sample> take(const SampleKey& key);
  /// What was asked of steps outside [first, end) is wanted no longer.
  void keep(std::int64_t first, std::int64_t end);

 private:
  struct Task {
    std::optional<Sample> sample;
    std::exception_ptr error;
    bool begun = false, done = false;
  };
  void work(const std::stop_token& stop);

  std::function<std::optional<Sample>(const SampleKey&)> draw_;
  std::mutex mutex_;
  std::condition_variable_any wanted_, made_;
  std::map<SampleKey, std::shared_ptr<Task>> tasks_;
  std::deque<SampleKey> queue_;  // keys of tasks, some of which may be begun or gone
  std::vector<std::jthread> workers_;
};

}  // namespace driftloop::adapt
