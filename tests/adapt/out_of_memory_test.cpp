// Which errors of the libraries mean that memory has run out.
#include <gmock/gmock.h>

#include <new>
#include <opencv2/core.hpp>
#include <system_error>
#include <vector>

#include "adapt/engine.h"
#include "adapt/out_of_memory.h"
#include "adapt/torch.h"

namespace driftloop::adapt {
namespace {
using testing::HasSubstr;

TEST(OutOfMemoryTest, TextsAndTypesOfEveryLibraryAreKnown) {
  for (const char* text : {"CUDA out of memory. Tried to allocate 1.50 GiB. GPU 0 has a total capacity of "
                           "15.29 GiB of which 1.2 "
                           "GiB is free.",
                           "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported "
                           "at some other API call",
                           "NVML_SUCCESS == r INTERNAL ASSERT FAILED at "
                           "\"../c10/cuda/CUDACachingAllocator.cpp\":830, please report "
                           "a bug to PyTorch. ",
                           "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't "
                           "allocate memory: you tried to "
                           "allocate 4611686018427387904 bytes. Error code 12 (Cannot allocate memory)",
                           "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                           "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
                           "unable to mmap 1048576 bytes from file </x>: Cannot allocate memory (12)"})
    EXPECT_TRUE(is_out_of_memory(std::runtime_error(text))) << text;
  for (const char* text :
       {"CUDA error: an illegal memory access was encountered", "expected scalar type Float but found Half",
        "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED", "cannot write x: No space left on device"})
    EXPECT_FALSE(is_out_of_memory(std::runtime_error(text))) << text;
  EXPECT_TRUE(is_out_of_memory(std::bad_alloc()));
  EXPECT_TRUE(
      is_out_of_memory(cv::Exception(cv::Error::StsNoMem, "Failed to allocate 8 bytes", "f", "x", 1)));
  EXPECT_FALSE(is_out_of_memory(cv::Exception(cv::Error::StsBadSize, "out of memory of sizes", "f", "x", 1)));
  EXPECT_TRUE(is_out_of_memory(std::system_error(ENOMEM, std::generic_category())));
}

TEST(OutOfMemoryTest, WhatTheLibrariesReallyThrowIsKnown) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "skipped: AddressSanitizer ends the process instead of refusing memory";
#endif
  const auto thrown_by = [](const auto& work) {
    try {
      work();
    } catch (const std::exception& error) {
      std::printf("%s\n", std::string(error.what()).substr(0, 200).c_str());
      return is_out_of_memory(error);
    }
    ADD_FAILURE() << "nothing was thrown";
    return false;
  };
  EXPECT_TRUE(thrown_by([] { torch::empty({std::int64_t{1} << 60}); }));
  EXPECT_TRUE(thrown_by([] { cv::Mat(1 << 30, 1 << 30, CV_8UC3).setTo(1); }));
  EXPECT_TRUE(thrown_by([] { std::vector<char>(std::size_t{1} << 62); }));
  EXPECT_FALSE(thrown_by([] { torch::zeros({2}) + torch::zeros({3}); }));
  try {
    needing_memory("judge", torch::kCPU, [] { return torch::empty({std::int64_t{1} << 60}); });
    FAIL();
  } catch (const OutOfMemory& error) {
    EXPECT_THAT(error.what(), HasSubstr("not enough memory to judge on cpu: "));
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "one line";
  }
}

}  // namespace
}  // namespace driftloop::adapt
