#include "config/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::config {

FolderLock::FolderLock(const std::filesystem::path& folder, std::string_view holder,
                       std::string_view advice) {
  make_folder(folder);
  const auto file = folder / "lock";
  fd_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0)
    throw Error("cannot use the folder " + folder.string() + ": " + file.string() + ": " +
                std::strerror(errno));
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(fd_);
  throw Error("the folder " + folder.string() + " is in use by another " + std::string(holder) + ": " +
              std::string(advice));
}

FolderLock::~FolderLock() {
  ::close(fd_);
}

}  // namespace driftloop::config
