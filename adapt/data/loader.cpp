#include "adapt/data/loader.h"

#include <system_error>

namespace driftloop::adapt {

Loader::Loader(std::function<std::optional<Sample>(const SampleKey&)> draw, int workers)
    : draw_(std::move(draw)) {
  try {
    while (static_cast<int>(workers_.size()) < workers)
      workers_.emplace_back([this](const std::stop_token& stop) { work(stop); });
  } catch (const std::system_error&) {  // there are as many as the system allows
  }
}

Loader::~Loader() {
  for (auto& worker : workers_) worker.request_stop();
}

void Loader::ask(const SampleKey& key) {
  if (workers_.empty()) return;
  const std::scoped_lock lock(mutex_);
  if (!tasks_.emplace(key, std::make_shared<Task>()).second) return;
  queue_.push_back(key);
  wanted_.notify_one();
}

std::optional<Sample> Loader::take(const SampleKey& key) {
  std::unique_lock lock(mutex_);
  const auto found = tasks_.find(key);
  if (found == tasks_.end() || !found->second->begun) {
    if (found != tasks_.end()) tasks_.erase(found);
    lock.unlock();
    return draw_(key);
  }
  const auto task = found->second;
  made_.wait(lock, [&] { return task->done; });
  tasks_.erase(key);
  if (task->error) std::rethrow_exception(task->error);
  return std::move(task->sample);
}

void Loader::keep(std::int64_t first, std::int64_t end) {
  const std::scoped_lock lock(mutex_);
  const auto outside = [&](const SampleKey& key) { return key.step < first || key.step >= end; };
  std::erase_if(tasks_, [&](const auto& entry) { return outside(entry.first); });
  std::erase_if(queue_, outside);
}

void Loader::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (wanted_.wait(lock, stop, [&] { return !queue_.empty(); })) {
    if (stop.stop_requested()) return;
    const SampleKey key = queue_.front();
    queue_.pop_front();
    const auto found = tasks_.find(key);
    if (found == tasks_.end() || found->second->begun) continue;
    const auto task = found->second;
    task->begun = true;
    lock.unlock();
    try {
      task->sample = draw_(key);
    } catch (...) {
      task->error = std::current_exception();
    }
    lock.lock();
    task->done = true;
    made_.notify_all();
  }
}

}  // namespace driftloop::adapt
