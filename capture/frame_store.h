// The frames that are kept on disk: one JPEG or PNG each, an SQLite index beside them, under a quota. Frames
// may be lost for the last seconds before a power cut; the index is never left damaged, and a file that the
// index does not know is never deleted.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "capture/frame.h"
#include "config/fields.h"

namespace driftloop::capture {

struct StoreOptions {
  std::filesystem::path folder;  // made when missing; one store, one process
  std::int64_t quota_bytes = 4'000'000'000;
  std::int64_t ballast_bytes = 8'000'000;
  std::string format = "jpeg";
  int jpeg_quality = 95;
};
/// All but the folder, which belongs to whoever runs the store.
void describe(config::Fields& f, StoreOptions& o);

/// Where a frame's value comes from.
enum class ValueSource {
  colour,   // how far its colours and structure are from the most similar kept frame's
  feature,  // the same in the feature space of a model, once frames have features: see set_feature
  asked     // it was asked about: its label can be learnt from as long as the picture is there
};
inline constexpr double kMostNovel = 100;    // the value of a frame that is like nothing else
inline constexpr double kAskedValue = 1000;  // of one that was asked about

struct StoredFrame {
  std::string id;              // the stem of its file: 12-digit sequence, '_', the name with safe characters
  std::string name;            // as the source gave it (safe characters only, after the index was lost)
  std::uint64_t sequence = 0;  // the store's own count, never used twice: the order of arrival
  std::int64_t captured_ns = 0;
  std::int64_t bytes = 0;  // on disk, whole blocks
  int width = 0, height = 0;
  bool asked = false;
  int unsent = 0;    // regions of it that were not sent yet; > 0 = never evicted
  double value = 1;  // novelty: distance to the nearest kept neighbour by the median of all such; 1 = usual
  ValueSource source = ValueSource::colour;
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
///
/// What goes first under the quota is decided frame by frame, whatever their sizes: the most redundant one,
/// the oldest of equals; a tenth of the frames, the newest, is spared; asked frames go last, unless those
/// whose regions are all sent take more than half of the quota; unsent ones never go. See keep_order.h.
class FrameStore {
 public:
  /// Throws Error when the folder cannot be used, another process has it, or the quota is too small.
  explicit FrameStore(StoreOptions options);
  ~FrameStore();
  FrameStore(const FrameStore&) = delete;
  FrameStore& operator=(const FrameStore&) = delete;

  /// Encodes and stores; over the quota others go. With 100,000 kept frames a put compares the new frame with
  /// all of them, as often as an evicted frame had neighbours: a few milliseconds.
  [[nodiscard]] PutResult put(const Frame& frame);

  /// Oldest first.
  std::vector<StoredFrame> list() const;
  std::optional<StoredFrame> find(const std::string& id) const;
  /// 8UC3 RGB. Empty when the frame is gone (evicted meanwhile) or its file turns out damaged.
  [[nodiscard]] cv::Mat load_rgb(const std::string& id);

  // Each returns whether the frame is still there. A full disk never makes them fail: the new state is in
  // memory at once and in the index as soon as there is room.
  bool set_asked(const std::string& id, bool asked);
  /// What a model sees in the frame: any length, finite, only the direction counts. `space` names the model
  /// (at most 64 characters): features of different spaces are not comparable, and a frame has one at a time.
  /// Costs about as much as a put.
  bool set_feature(const std::string& id, std::span<const float> feature, const std::string& space);
  /// Frames that have no feature of `space`, the newest first, `at_most` so many.
  std::vector<std::string> without_feature(const std::string& space, std::size_t at_most) const;
  bool mark_unsent(const std::string& id, int regions = 1);  // so many more of its regions wait to be sent
  bool mark_sent(const std::string& id, int regions = 1);    // so many fewer, down to none

  std::int64_t used_bytes() const;  // of the quota
  std::size_t size() const;         // frames; never throws, also after a failure
  std::string failure() const;      // the sticky error, "" while there is none
  StoreCounters counters() const;
  const StoreRepair& repair() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftloop::capture
