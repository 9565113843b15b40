#include "adapt/out_of_memory.h"

#include <torch/version.h>

#include <algorithm>
#include <array>
#include <new>
#include <opencv2/core.hpp>
#include <string_view>
#include <system_error>

#include "adapt/engine.h"

#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 9)
#define DRIFTLOOP_GENERIC_CACHE 1
#include <c10/core/CachingDeviceAllocator.h>
#elif defined(DRIFTLOOP_CUDA_KERNELS)
#include <c10/cuda/CUDACachingAllocator.h>
#endif

namespace driftloop::adapt {
namespace {

// As the libraries write them. The first is CUDA's for the caching allocator, for cudaMalloc and for kernels.
constexpr std::array<std::string_view, 6> kTexts = {
    "out of memory",
    "can't allocate memory",   // LibTorch's CPU allocator
    "Cannot allocate memory",  // ENOMEM: mmap, threads, files
    // On Tegra cudaMalloc fails and the allocator then asks NVML, which is not there (pytorch #112377).
    "NVML_SUCCESS == r INTERNAL ASSERT FAILED",
    "_STATUS_ALLOC_FAILED",  // cuBLAS, cuDNN, cuSOLVER
    "std::bad_alloc",        // passed on as text by another exception
};

/// One line: LibTorch's own text goes on with a stack.
std::string first_line(std::string_view text) {
  constexpr std::size_t kLongest = 300;
  return std::string(text.substr(0, std::min(kLongest, text.find('\n'))));
}

std::string text_of(const std::exception& error) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  return torch_error ? torch_error->what_without_backtrace() : error.what();
}

}  // namespace

bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) || dynamic_cast<const c10::OutOfMemoryError*>(&error) ||
      dynamic_cast<const OutOfMemory*>(&error))
    return true;
  if (const auto* cv_error = dynamic_cast<const cv::Exception*>(&error))
    return cv_error->code == cv::Error::StsNoMem;
  if (const auto* system_error = dynamic_cast<const std::system_error*>(&error))
    return system_error->code() == std::errc::not_enough_memory;
  const std::string text = text_of(error);
  return std::any_of(kTexts.begin(), kTexts.end(),
                     [&](std::string_view known) { return text.find(known) != std::string::npos; });
}

void release_cached_memory(torch::Device device) noexcept {
  if (device.is_cpu()) return;
  try {
#if defined(DRIFTLOOP_GENERIC_CACHE)
    at::getDeviceAllocator(device.type())->emptyCache();
#elif defined(DRIFTLOOP_CUDA_KERNELS)
    c10::cuda::CUDACachingAllocator::emptyCache();
#endif
    // Elsewhere the allocator's own emptying before it gives up has to do.
  } catch (const std::exception&) {  // it is only a help: the smaller batch is the cure
  }
}

std::int64_t peak_device_bytes(torch::Device device) {
  if (device.is_cpu()) return 0;
#if defined(DRIFTLOOP_GENERIC_CACHE)
  return at::getDeviceAllocator(device.type())->getDeviceStats(device.index()).allocated_bytes[0].peak;
#elif defined(DRIFTLOOP_CUDA_KERNELS)
  return c10::cuda::CUDACachingAllocator::getDeviceStats(device.index()).allocated_bytes[0].peak;
#else
  return 0;
#endif
}

void restart_peak_device_bytes(torch::Device device) {
  if (device.is_cpu()) return;
#if defined(DRIFTLOOP_GENERIC_CACHE)
  at::getDeviceAllocator(device.type())->resetPeakStats(device.index());
#elif defined(DRIFTLOOP_CUDA_KERNELS)
  c10::cuda::CUDACachingAllocator::resetPeakStats(device.index());
#endif
}

void rethrow_out_of_memory(const std::exception& error, const std::string& doing, torch::Device device) {
  if (!is_out_of_memory(error)) throw;
  release_cached_memory(device);
  if (dynamic_cast<const OutOfMemory*>(&error)) throw;
  throw OutOfMemory("not enough memory to " + doing + " on " + device.str() + ": " +
                    first_line(text_of(error)) +
                    "; it goes on when some is free; engine.input.work_long_side_px lowers what is needed");
}

}  // namespace driftloop::adapt
