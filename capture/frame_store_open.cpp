// Opening a frame store: index against files, and mending both.
#include <algorithm>
#include <chrono>

#include "capture/frame_store_impl.h"
#include "config/durable_file.h"

namespace driftloop::capture {
namespace fs = std::filesystem;
namespace {

constexpr std::int64_t kLeastRoom = 1'048'576;  // below this a quota holds next to nothing
constexpr std::int64_t kAskedShare = 2;         // answered frames may take one part in so many of the quota

}  // namespace

void describe(config::Fields& f, StoreOptions& o) {
  f.field("quota_bytes", o.quota_bytes, {kLeastRoom, std::int64_t{1} << 50},
          "all that the store may take on the disk, in bytes: frames, index, ballast, lost+found");
  f.field(
      "ballast_bytes", o.ballast_bytes, {0, std::int64_t{1} << 40},
      "part of the quota kept aside in a file, in bytes: it is given up when the disk is full, so that old "
      "frames can be deleted");
  f.choice("format", o.format, {"jpeg", "png"},
           "how frames are stored; png loses nothing and is 3 to 5 times as large");
  f.field("jpeg_quality", o.jpeg_quality, {1, 100}, "quality of frames stored as jpeg, 100 = best");
}

FrameStore::Impl::Impl(StoreOptions given)
    : options(std::move(given)),
      frames(options.folder / "frames"),
      lost(options.folder / "lost+found"),
      order(options.quota_bytes / kAskedShare) {
  if (options.quota_bytes < options.ballast_bytes + kLeastRoom)
    throw Error("frame store " + options.folder.string() + ": the quota of " +
                std::to_string(options.quota_bytes) + " bytes leaves less than 1 MiB beside the ballast of " +
                std::to_string(options.ballast_bytes) + "; raise quota_bytes");
  DL_CHECK(options.format == "jpeg" || options.format == "png", options.format);
  config::make_folder(frames);
  ballast = std::make_unique<Ballast>(options.folder / "ballast", options.ballast_bytes);
  index = std::make_unique<FrameIndex>(options.folder / "index.db", [this] { ballast->release(); });
  const auto take = [this](IndexEntry entry) {
    const StoredFrame& f = entry.row.frame;
    order.restore(f.sequence, {f.asked, f.unsent > 0, f.bytes}, entry.described);
    insert(std::move(entry.row));
  };
  index->load(take, repair.dropped_rows);
  next_sequence = index->next_sequence();
  if (!rows.empty()) next_sequence = std::max(next_sequence, rows.rbegin()->first + 1);
  scan_files();
  ballast->restore(0);
  make_room(0);
  write_repair_message();
}

/// Rows against files, both ways.
void FrameStore::Impl::scan_files() {
  std::set<std::string> known;
  for (auto it = rows.begin(); it != rows.end();) {
    const auto current = it++;
    std::error_code error;
    const auto size = fs::file_size(frames / current->second.file, error);
    if (!error && static_cast<std::int64_t>(size) == current->second.file_bytes) {
      known.insert(current->second.file);
      continue;
    }
    forget(current);
    ++repair.dropped_rows;
  }
  order.settle();
  std::vector<fs::path> strangers;
  for (const auto& entry : fs::directory_iterator(frames))
    if (entry.is_regular_file() && !known.count(entry.path().filename().string()))
      strangers.push_back(entry.path());
  std::sort(strangers.begin(), strangers.end());
  for (const fs::path& file : strangers) {
    std::error_code ignored;
    if (is_leftover(file) || fs::file_size(file, ignored) == 0) {
      fs::remove(file, ignored);  // a write that a crash cut off: it was never acknowledged
    } else if (adopt(file)) {
      ++repair.adopted;
    } else {
      move_into(file, lost);
      ++repair.lost_files;
    }
  }
  if (fs::exists(lost))
    for (const auto& entry : fs::directory_iterator(lost))
      if (entry.is_regular_file()) lost_bytes += disk_bytes(static_cast<std::int64_t>(entry.file_size()));
}

bool FrameStore::Impl::adopt(const fs::path& file) {
  const auto bytes = read_whole(file);
  const cv::Mat image = bytes ? decode_rgb(*bytes) : cv::Mat();
  if (image.empty()) return false;
  auto id = parse_id(file.stem().string());
  if (!id || rows.count(id->sequence)) id = FrameId{next_sequence, id ? id->name : file.stem().string()};
  IndexRow row;
  row.frame.id = make_id(id->sequence, id->name);
  row.frame.name = id->name;
  row.frame.sequence = id->sequence;
  row.frame.captured_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                              std::chrono::file_clock::to_sys(fs::last_write_time(file)).time_since_epoch())
                              .count();
  row.frame.width = image.cols;
  row.frame.height = image.rows;
  row.file = row.frame.id + file.extension().string();
  row.file_bytes = static_cast<std::int64_t>(bytes->size());
  row.digest = fnv1a(bytes->data(), bytes->size());
  row.frame.bytes = disk_bytes(row.file_bytes);
  if (frames / row.file != file) fs::rename(file, frames / row.file);
  next_sequence = std::max(next_sequence, row.frame.sequence + 1);
  Sequences changed;
  order.add(row.frame.sequence, {false, false, row.frame.bytes}, look_of(image), changed);
  insert(std::move(row));
  save(std::move(changed));
  return true;
}

void FrameStore::Impl::write_repair_message() {
  if (index->set_aside().empty() && repair.adopted + repair.lost_files + repair.dropped_rows == 0) return;
  repair.message = "frame store " + options.folder.string() + ": " +
                   (index->set_aside().empty() ? "" : index->set_aside() + "; ") +
                   std::to_string(repair.adopted) + " files adopted, " + std::to_string(repair.lost_files) +
                   " undecodable files moved to lost+found, " + std::to_string(repair.dropped_rows) +
                   " rows dropped";
}

}  // namespace driftloop::capture
