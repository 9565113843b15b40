// The SQLite index of a frame store: one row a frame, each with a check sum of its own. What it says is
// always mirrored by FrameStore's memory; it is read once, at open.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "capture/frame_store.h"
#include "capture/keep_order.h"

namespace driftloop::capture {

struct IndexRow {
  StoredFrame frame;            // `bytes` is derived from file_bytes; value and source are not stored
  std::string file;             // name within frames/
  std::int64_t file_bytes = 0;  // exact
  std::uint64_t digest = 0;     // of the file's content
};

struct IndexEntry {
  IndexRow row;
  Described described;
};

enum class IndexWrite { done, full };

class FrameIndex {
 public:
  /// Opens or creates. A damaged file is set aside as <path>.damaged (replacing an earlier one) and an empty
  /// index made: see set_aside(). Throws Error when another process has it, or for a real I/O error;
  /// `on_full` is called once when the disk is full, and the opening tried again.
  FrameIndex(std::filesystem::path path, const std::function<void()>& on_full);
  ~FrameIndex();

  /// Why the old index was set aside, "" when it was not.
  const std::string& set_aside() const { return set_aside_; }
  /// Gives every row whose check sum holds, by its sequence; the others are removed from the index and
  /// counted in `damaged`. Rows of version 1 have no description, and are asked when their value said so.
  void load(const std::function<void(IndexEntry)>& take, std::uint64_t& damaged);
  /// The first sequence that was never used, as far as the index knows.
  std::uint64_t next_sequence();

  // Throw Error for a real I/O error or damage; a full disk is an outcome.
  /// All of it or nothing.
  [[nodiscard]] IndexWrite apply(std::span<const IndexEntry> written, std::span<const std::uint64_t> erased,
                                 std::uint64_t next_sequence);

  std::int64_t bytes() const;  // on disk, with its log at its largest

 private:
  struct Impl;
  void open();
  std::filesystem::path path_;
  std::string set_aside_;
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftloop::capture
