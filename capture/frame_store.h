// The frames that are kept on disk: one JPEG or PNG each, an SQLite index beside them, under a quota. Frames
// may be lost for the last seconds before a power cut; the index is never left damaged, and a file that the
// index does not know is never deleted.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "capture/frame.h"
#include "config/fields.h"

namespace driftloop::capture {

struct StoreOptions {
  std::filesystem::path folder;              // made when missing; one store, one process
  std::int64_t quota_bytes = 4'000'000'000;  // all of the folder: frames, index, ballast, lost+found
  std::int64_t ballast_bytes = 8'000'000;    // a file given up when the disk is full, so that deleting works
  std::string format = "jpeg";               // jpeg or png
  int jpeg_quality = 95;                     // 1..100
};
/// All but the folder, which belongs to whoever runs the store.
void describe(config::Fields& f, StoreOptions& o);

struct StoredFrame {
  std::string id;              // the stem of its file: 12-digit sequence, '_', the name with safe characters
  std::string name;            // as the source gave it (safe characters only, after the index was lost)
  std::uint64_t sequence = 0;  // the store's own count, never used twice: the order of arrival
  std::int64_t captured_ns = 0;
  std::int64_t bytes = 0;  // on disk, whole blocks
  int width = 0, height = 0;
  std::optional<double> value;  // absent until set_value
  int unsent = 0;               // regions of it that were not sent yet; > 0 = never evicted
};

enum class PutStatus {
  stored,
  full  // the disk is full, or what is left under the quota is all unsent; nothing was stored
};
struct PutResult {
  PutStatus status = PutStatus::full;
  std::string id;       // with `stored`
  std::string message;  // with `full`: why
};

struct StoreCounters {
  std::uint64_t stored = 0, evicted = 0, full = 0;
  std::uint64_t evicted_by_disk = 0;  // part of `evicted`: the disk was full before the quota was
  std::uint64_t damaged = 0;          // files found unreadable by load_rgb and moved to lost+found/
};

/// What opening had to mend.
struct StoreRepair {
  std::uint64_t adopted = 0;       // files that the index did not know, now in it again
  std::uint64_t lost_files = 0;    // undecodable files, moved to lost+found/
  std::uint64_t dropped_rows = 0;  // rows whose file is missing or has another size, or that were damaged
  std::string message;             // "" or one line for the log
};

/// Safe for several threads (one mutex; encoding and decoding run outside it). A real I/O error throws Error
/// and is sticky: every later call throws the same. A full disk is no error.
class FrameStore {
 public:
  /// Throws Error when the folder cannot be used, another process has it, or the quota is too small.
  explicit FrameStore(StoreOptions options);
  ~FrameStore();
  FrameStore(const FrameStore&) = delete;
  FrameStore& operator=(const FrameStore&) = delete;

  /// Encodes and stores. Over the quota, frames without unsent regions go: lowest value per byte first, of
  /// equals the oldest. A frame that has no value yet counts as the mean of those that have one.
  [[nodiscard]] PutResult put(const Frame& frame);

  /// Oldest first.
  std::vector<StoredFrame> list() const;
  std::optional<StoredFrame> find(const std::string& id) const;
  /// 8UC3 RGB. Empty when the frame is gone (evicted meanwhile) or its file turns out damaged.
  [[nodiscard]] cv::Mat load_rgb(const std::string& id);

  // Each returns whether the frame is still there. A full disk never makes them fail: the new state is in
  // memory at once and in the index as soon as there is room.
  bool set_value(const std::string& id, double value);       // finite; higher = kept longer
  bool mark_unsent(const std::string& id, int regions = 1);  // so many more of its regions wait to be sent
  bool mark_sent(const std::string& id, int regions = 1);    // so many fewer, down to none

  std::int64_t used_bytes() const;  // of the quota
  StoreCounters counters() const;
  const StoreRepair& repair() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftloop::capture
