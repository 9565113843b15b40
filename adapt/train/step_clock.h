// Where the time of training steps goes.
#pragma once
#include <chrono>
#include <map>
#include <string>
#include <torch/cuda.h>

#include "adapt/torch.h"

namespace driftloop::adapt {

/// Adds wall time to `seconds`, by part. Without a map it does nothing; with one it waits for the device at
/// the end of each part, so that a timed step is a little slower than others.
class StepClock {
 public:
  StepClock(torch::Device device, std::map<std::string, double>* seconds)
      : device_(device), seconds_(seconds) {}
  /// What was before the part does not count.
  void start() {
    if (seconds_ != nullptr) last_ = now();
  }
  void end(const char* part) {
    if (seconds_ == nullptr) return;
    const auto ended = now();
    (*seconds_)[part] += std::chrono::duration<double>(ended - last_).count();
    last_ = ended;
  }

 private:
  std::chrono::steady_clock::time_point now() const {
    if (device_.is_cuda()) torch::cuda::synchronize(device_.index());
    return std::chrono::steady_clock::now();
  }

  torch::Device device_;
  std::map<std::string, double>* seconds_;
  std::chrono::steady_clock::time_point last_{};
};

}  // namespace driftloop::adapt
