#include "config/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "config/check.h"

namespace driftloop::config {
namespace fs = std::filesystem;
namespace {

class Fd {
 public:
  Fd(const fs::path& path, int flags, unsigned mode = 0)
      : fd_(::open(path.c_str(), flags | O_CLOEXEC, mode)) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

[[noreturn]] void fail(const char* doing, const fs::path& path) {
  const int error = errno;
  std::string advice = error == ENOSPC || error == EDQUOT ? " (free some space)" : "";
  throw Error(std::string("cannot ") + doing + ' ' + path.string() + ": " + std::strerror(error) + advice);
}

constexpr std::string_view kTemporary = ".tmp";  // .<name>.tmp<pid>

fs::path temporary_for(const fs::path& path) {
  return path.parent_path() / (std::string(".")
                                   .append(path.filename().string())
                                   .append(kTemporary)
                                   .append(std::to_string(::getpid())));
}

bool is_temporary(const std::string& name) {
  const auto at = name.rfind(kTemporary);
  if (name.front() != '.' || at == std::string::npos || at < 2) return false;
  const std::string pid = name.substr(at + kTemporary.size());
  return !pid.empty() &&
         std::all_of(pid.begin(), pid.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

void write_content(const fs::path& path, const fs::path& temporary, std::string_view content, unsigned mode) {
  Fd fd(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode);
  if (fd.get() < 0) fail("write", temporary);
  if (::fchmod(fd.get(), mode) != 0) fail("set the permissions of", temporary);
  while (!content.empty()) {
    const ssize_t written = ::write(fd.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write", path);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
}

void sync_path(const fs::path& path, int flags) {
  Fd fd(path, flags);
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) fail("sync", path);
}

}  // namespace

void write_durably_with(const fs::path& path, const std::function<void(const fs::path&)>& writer) {
  const fs::path temporary = temporary_for(path);
  try {
    writer(temporary);
    sync_path(temporary, O_RDONLY);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail("replace", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  sync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

void sync_folder(const fs::path& folder) { sync_path(folder, O_RDONLY | O_DIRECTORY); }

void write_durably(const fs::path& path, std::string_view content, unsigned mode) {
  write_durably_with(path, [&](const fs::path& temporary) { write_content(path, temporary, content, mode); });
}

void replace_file(const fs::path& path, std::string_view content, unsigned mode) {
  const fs::path temporary = temporary_for(path);
  try {
    write_content(path, temporary, content, mode);
    if (::rename(temporary.c_str(), path.c_str()) != 0) fail("replace", path);
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
}

int sweep_leftovers(const fs::path& folder) {
  int swept = 0;
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (is_temporary(it->path().filename().string())) leftovers.push_back(it->path());
  for (const auto& file : leftovers) swept += ::unlink(file.c_str()) == 0;
  return swept;
}

std::string read_file(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) fail("open", path);
  std::ostringstream content;
  content << in.rdbuf();
  if (in.bad() || fs::is_directory(path)) throw Error("cannot read " + path.string());
  return std::move(content).str();
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) throw Error("cannot create the folder " + path.string() + ": " + error.message());
}

}  // namespace driftloop::config
