#pragma once
#include <filesystem>

namespace driftloop::test {

/// A small file system of its own (tmpfs), so that "full" is real. Absent where mounting is not allowed: then
/// a test skips itself.
class SmallDisk {
 public:
  /// Mounts over `at`, which is made when it is missing. `size` as mount takes it, "4m".
  SmallDisk(const std::filesystem::path& at, const char* size);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }

 private:
  std::filesystem::path at_;
  bool mounted_ = false;
};

/// Writes `file` until its disk takes not a byte more.
void take_all_space(const std::filesystem::path& file);

}  // namespace driftloop::test
