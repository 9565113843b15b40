// The files of a frame store: names, encoding, whole-or-nothing writing, ballast.
#pragma once
#include <cstdint>
#include <filesystem>
#include <opencv2/core/mat.hpp>
#include <optional>
#include <string>
#include <vector>

#include "capture/frame_store.h"

namespace driftloop::capture {

using Bytes = std::vector<unsigned char>;

std::uint64_t fnv1a(const void* data, std::size_t size);  // changes with every single changed byte

/// What a file of so many bytes takes on the disk, in whole blocks.
std::int64_t disk_bytes(std::int64_t file_bytes);

struct FrameId {
  std::uint64_t sequence;
  std::string name;
};
inline constexpr std::uint64_t kMaxSequence = 999'999'999'999;  // twelve digits
std::string make_id(std::uint64_t sequence, const std::string& name);
std::optional<FrameId> parse_id(const std::string& id);

Bytes encode(const cv::Mat& image_rgb, const StoreOptions& options);
/// 8UC3 RGB; empty when the bytes are not a whole JPEG or PNG (a truncated one is not).
cv::Mat decode_rgb(const Bytes& bytes);

enum class FileWrite { done, full };
/// Temporary file and rename; not synced. A full disk leaves nothing behind. Throws Error.
FileWrite write_whole(const std::filesystem::path& path, const Bytes& bytes);
/// nullopt when it cannot be read.
std::optional<Bytes> read_whole(const std::filesystem::path& path);
/// True for the temporary files of write_whole.
bool is_leftover(const std::filesystem::path& path);

/// Moves a file into `folder` under a name that is free there. Throws Error.
void move_into(const std::filesystem::path& file, const std::filesystem::path& folder);

/// A file of real blocks that can be given up.
class Ballast {
 public:
  Ballast(std::filesystem::path path, std::int64_t bytes);
  bool present() const { return present_; }
  void release();
  /// Makes it again when the disk has room for it and `spare` bytes more.
  bool restore(std::int64_t spare);

 private:
  std::filesystem::path path_;
  std::int64_t bytes_;
  bool present_ = false;
};

}  // namespace driftloop::capture
