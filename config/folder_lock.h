// One process at a time in a folder.
#pragma once
#include <filesystem>
#include <string_view>

namespace driftloop::config {

/// Held from construction until the process ends or the object goes, however that happens.
class FolderLock {
 public:
  /// Makes the folder when missing. Throws Error when it cannot be used, or when another process holds it:
  /// "the state folder X is in use by another <holder>: <advice>".
  FolderLock(const std::filesystem::path& folder, std::string_view holder, std::string_view advice);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace driftloop::config
