#include "capture/frame_files.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "config/check.h"

namespace driftloop::capture {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kBlock = 4096;  // of ext4, xfs, f2fs and tmpfs alike
constexpr std::size_t kMaxName = 100;  // characters of the source's name kept in the file name
constexpr std::size_t kDigits = 12;

bool disk_is_full(int error) {
  return error == ENOSPC || error == EDQUOT;
}

[[noreturn]] void fail(const char* doing, const fs::path& path, int error) {
  throw Error(std::string("frame store: cannot ") + doing + ' ' + path.string() + ": " +
              std::strerror(error));
}

/// Writes everything, or returns errno.
int write_all(int fd, const Bytes& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    done += static_cast<std::size_t>(written);
  }
  return 0;
}

bool ends_with(const Bytes& bytes, std::initializer_list<unsigned char> tail) {
  return bytes.size() >= tail.size() &&
         std::equal(tail.begin(), tail.end(), bytes.end() - static_cast<long>(tail.size()));
}

/// Decoders show a truncated picture as if it were whole: look at the end marker ourselves.
bool is_whole_picture(const Bytes& bytes) {
  if (bytes.size() < 64) return false;
  if (bytes[0] == 0xFF && bytes[1] == 0xD8) return ends_with(bytes, {0xFF, 0xD9});
  if (bytes[0] == 0x89 && bytes[1] == 'P')
    return ends_with(bytes, {'I', 'E', 'N', 'D', 0xAE, 0x42, 0x60, 0x82});
  return false;
}

}  // namespace

std::uint64_t fnv1a(const void* data, std::size_t size) {
  std::uint64_t hash = 14695981039346656037ULL;
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (std::size_t i = 0; i < size; ++i) hash = (hash ^ bytes[i]) * 1099511628211ULL;
  return hash;
}

std::int64_t disk_bytes(std::int64_t file_bytes) {
  return (file_bytes + kBlock - 1) / kBlock * kBlock;
}

std::string make_id(std::uint64_t sequence, const std::string& name) {
  DL_CHECK(sequence <= kMaxSequence, sequence);
  char digits[32];
  std::snprintf(digits, sizeof digits, "%012llu_", static_cast<unsigned long long>(sequence));
  std::string id = digits;
  for (const char c : name.substr(0, kMaxName))
    id += std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' ? c : '_';
  return id;
}

std::optional<FrameId> parse_id(const std::string& id) {
  if (id.size() < kDigits + 2 || id[kDigits] != '_') return std::nullopt;
  if (!std::all_of(id.begin(), id.begin() + kDigits, [](unsigned char c) { return std::isdigit(c); }))
    return std::nullopt;
  return FrameId{std::stoull(id.substr(0, kDigits)), id.substr(kDigits + 1)};
}

Bytes encode(const cv::Mat& image_rgb, const StoreOptions& options) {
  DL_CHECK(!image_rgb.empty() && image_rgb.type() == CV_8UC3, image_rgb.type());
  cv::Mat bgr;
  cv::cvtColor(image_rgb, bgr, cv::COLOR_RGB2BGR);
  Bytes bytes;
  if (options.format == "png")
    cv::imencode(".png", bgr, bytes, {cv::IMWRITE_PNG_COMPRESSION, 3});
  else
    cv::imencode(".jpg", bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, options.jpeg_quality});
  return bytes;
}

cv::Mat decode_rgb(const Bytes& bytes) {
  if (!is_whole_picture(bytes)) return {};
  cv::Mat image;
  try {
    image = cv::imdecode(bytes, cv::IMREAD_COLOR);
  } catch (const cv::Exception&) {
    return {};  // a header that promises an absurd size
  }
  if (!image.empty()) cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  return image;
}

FileWrite write_whole(const fs::path& path, const Bytes& bytes) {
  const fs::path temporary = path.parent_path() / ("." + path.filename().string() + ".tmp");
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) {
    if (disk_is_full(errno)) return FileWrite::full;
    fail("make", temporary, errno);
  }
  int error = write_all(fd, bytes);
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return FileWrite::done;
  ::unlink(temporary.c_str());
  if (disk_is_full(error)) return FileWrite::full;
  fail("write", path, error);
}

std::optional<Bytes> read_whole(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  Bytes bytes;
  unsigned char chunk[65536];
  ssize_t got = 0;
  while ((got = ::read(fd, chunk, sizeof chunk)) > 0 || (got < 0 && errno == EINTR))
    if (got > 0) bytes.insert(bytes.end(), chunk, chunk + got);
  ::close(fd);
  if (got < 0) return std::nullopt;
  return bytes;
}

bool is_leftover(const fs::path& path) {
  return path.filename().string().front() == '.' && path.extension() == ".tmp";
}

void move_into(const fs::path& file, const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  fs::path target = folder / file.filename();
  for (int n = 1; fs::exists(target); ++n)
    target = folder / (file.stem().string() + '.' + std::to_string(n) + file.extension().string());
  fs::rename(file, target, error);
  if (error) fail("set aside", file, error.value());
}

Ballast::Ballast(fs::path path, std::int64_t bytes) : path_(std::move(path)), bytes_(bytes) {
  std::error_code error;
  present_ = bytes_ == 0 || static_cast<std::int64_t>(fs::file_size(path_, error)) == bytes_;
  if (error) present_ = bytes_ == 0;
}

void Ballast::release() {
  if (bytes_ == 0) return;
  ::unlink(path_.c_str());
  present_ = false;
}

bool Ballast::restore(std::int64_t spare) {
  if (present_) return true;
  struct statvfs disk {};
  if (::statvfs(path_.parent_path().c_str(), &disk) != 0) return false;
  if (static_cast<std::int64_t>(disk.f_bavail) * static_cast<std::int64_t>(disk.f_frsize) < bytes_ + spare)
    return false;
  const int fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return false;
  present_ = ::posix_fallocate(fd, 0, bytes_) == 0;
  ::close(fd);
  if (!present_) ::unlink(path_.c_str());
  return present_;
}

}  // namespace driftloop::capture
