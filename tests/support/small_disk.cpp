#include "tests/support/small_disk.h"

#include <sys/mount.h>

#include <fstream>
#include <string>

namespace driftloop::test {
namespace fs = std::filesystem;

SmallDisk::SmallDisk(const fs::path& at, const char* size) : at_(at) {
  fs::create_directories(at);
  mounted_ = ::mount("driftloop-test", at.c_str(), "tmpfs", 0, (std::string("size=") + size).c_str()) == 0;
}

SmallDisk::~SmallDisk() {
  if (mounted_) ::umount2(at_.c_str(), MNT_DETACH);
}

void take_all_space(const fs::path& file) {
  std::ofstream out(file, std::ios::binary);
  for (const std::size_t piece : {std::size_t{4096} * 16, std::size_t{4096}})
    while (out.write(std::string(piece, 'x').data(), static_cast<std::streamsize>(piece)).flush()) {
    }
  out.clear();
  while (out.write("x", 1).flush()) {
  }
}

}  // namespace driftloop::test
