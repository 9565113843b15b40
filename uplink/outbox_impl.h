// What outbox.cpp (regions up) and label_inbox.cpp (labels down) share.
#pragma once
#include <atomic>

#include "uplink/durable_database.h"
#include "uplink/outbox.h"

namespace driftloop::uplink {

// Numbers that no single bit flip turns into one another: a flipped state is none of these, and such a row
// goes back to the queue (sending again is harmless: the station knows it by its digest).
enum ItemState : int { kQueued = 0x11, kReceipted = 0x2d, kRefused = 0x4b, kQuarantined = 0x77 };

struct Outbox::Impl {
  explicit Impl(const std::filesystem::path& file);
  /// The meta of a row whose check holds; none otherwise. Columns as in kMetaColumns, from `first` on.
  static std::optional<RequestMeta> meta_of(SQLite::Statement& row, int first);
  std::optional<RequestMeta> find_request(SQLite::Database& db, const std::string& digest);

  DurableDatabase database;
  std::atomic<std::uint64_t> revision{1};
};

// digest, value, size and the meta are under one check value: see row_check().
inline constexpr const char* kMetaColumns =
    "o.digest,o.value,o.size,o.frame_name,o.frame_width,o.frame_height,o.x,o.y,o.width,o.height,o.round,o."
    "row_check";

}  // namespace driftloop::uplink
