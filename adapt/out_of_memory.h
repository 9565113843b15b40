// Which exceptions mean that memory ran out, on the host or on the device, and what is done about it.
#pragma once
#include <exception>
#include <string>

#include "adapt/torch.h"

namespace driftloop::adapt {

/// By type where there is one (std::bad_alloc, c10::OutOfMemoryError, OpenCV's StsNoMem), else by the text
/// that LibTorch, CUDA, cuBLAS, cuDNN or the system gives for it.
bool is_out_of_memory(const std::exception& error);

/// Gives back to the system what the device's allocator only keeps; nothing on the CPU. Never throws.
void release_cached_memory(torch::Device device) noexcept;

/// In a catch block: throws OutOfMemory (engine.h) that says what was being done when `error` means that,
/// else `error` again.
[[noreturn]] void rethrow_out_of_memory(const std::exception& error, const std::string& doing,
                                        torch::Device device);

/// Of this process on a GPU at most since it began, or since the restart, in tensors; 0 on the CPU, and where
/// LibTorch cannot say.
std::int64_t peak_device_bytes(torch::Device device);
void restart_peak_device_bytes(torch::Device device);

/// What `work` gives; its lack of memory becomes OutOfMemory.
template <class Work>
auto needing_memory(const std::string& doing, torch::Device device, const Work& work) -> decltype(work()) {
  try {
    return work();
  } catch (const std::exception& error) {
    rethrow_out_of_memory(error, doing, device);
  }
}

}  // namespace driftloop::adapt
