#pragma once
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include "capture/frame_store.h"

namespace driftloop::capture {

inline StoreOptions small_store(const std::filesystem::path& folder, std::int64_t quota_bytes = 20'000'000) {
  StoreOptions options;
  options.folder = folder;
  options.quota_bytes = quota_bytes;
  options.ballast_bytes = 200'000;
  return options;
}

inline std::string put_ok(FrameStore& store, const Frame& frame) {
  const PutResult result = store.put(frame);
  EXPECT_EQ(result.status, PutStatus::stored) << result.message;
  return result.id;
}

/// Blocks that the folder's files really take.
inline std::int64_t disk_usage(const std::filesystem::path& folder) {
  std::int64_t total = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    struct stat info {};
    if (entry.is_regular_file() && ::stat(entry.path().c_str(), &info) == 0) total += info.st_blocks * 512;
  }
  return total;
}

}  // namespace driftloop::capture
