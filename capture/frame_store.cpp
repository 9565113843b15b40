#include "capture/frame_store.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <mutex>
#include <set>

#include "capture/frame_files.h"
#include "capture/frame_index.h"
#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::capture {
namespace fs = std::filesystem;
namespace {

// What the index may grow by between two looks at its size.
constexpr std::int64_t kIndexSlack = 65'536;
constexpr std::int64_t kLeastRoom = 1'048'576;  // below this a quota holds next to nothing

}  // namespace

void describe(config::Fields& f, StoreOptions& o) {
  f.field("quota_bytes", o.quota_bytes, {kLeastRoom, std::int64_t{1} << 50},
          "all that the frame store may take on the disk, in bytes");
  f.field("ballast_bytes", o.ballast_bytes, {0, std::int64_t{1} << 40},
          "part of the quota kept aside, so that old frames can be deleted when the disk is full, in bytes");
  f.choice("format", o.format, {"jpeg", "png"},
           "how frames are stored; png loses nothing and is 3 to 5 times as large");
  f.field("jpeg_quality", o.jpeg_quality, {1, 100}, "1 to 100");
}

struct FrameStore::Impl {
  explicit Impl(StoreOptions given);

  // Every public call goes through here: sticky failure, mutex, late index rows.
  template <class Work>
  auto guarded(Work&& work);

  void scan_files();
  bool adopt(const fs::path& file);
  void write_repair_message();
  void insert(IndexRow row);
  void forget(std::map<std::uint64_t, IndexRow>::iterator it);
  void save(std::uint64_t sequence);
  void flush_late();
  bool evict_one();
  bool make_room(std::int64_t need);
  std::int64_t used() const;
  PutResult put(const Frame& frame, const Bytes& bytes);
  PutResult refuse(std::string why);
  std::map<std::uint64_t, IndexRow>::iterator row_of(const std::string& id);

  StoreOptions options;
  fs::path frames, lost;
  std::mutex mutex;
  std::string failure;  // sticky
  std::unique_ptr<Ballast> ballast;
  std::unique_ptr<FrameIndex> index;
  std::map<std::uint64_t, IndexRow> rows;  // the truth; the index follows
  std::set<std::uint64_t> late;            // rows that a full disk kept out of the index
  std::uint64_t next_sequence = 0;
  std::int64_t frame_bytes = 0, lost_bytes = 0;
  bool starved = false;  // the disk was full at the last write: do not evict once more for nothing
  StoreCounters counters;
  StoreRepair repair;
};

template <class Work>
auto FrameStore::Impl::guarded(Work&& work) {
  const std::lock_guard lock(mutex);
  if (!failure.empty()) throw Error(failure);
  try {
    flush_late();
    return work();
  } catch (const Error& error) {
    failure = error.what();
    throw;
  }
}

FrameStore::Impl::Impl(StoreOptions given)
    : options(std::move(given)), frames(options.folder / "frames"), lost(options.folder / "lost+found") {
  if (options.quota_bytes < options.ballast_bytes + kLeastRoom)
    throw Error("frame store " + options.folder.string() + ": the quota of " +
                std::to_string(options.quota_bytes) + " bytes leaves less than 1 MiB beside the ballast of " +
                std::to_string(options.ballast_bytes) + "; raise quota_bytes");
  DL_CHECK(options.format == "jpeg" || options.format == "png", options.format);
  config::make_folder(frames);
  ballast = std::make_unique<Ballast>(options.folder / "ballast", options.ballast_bytes);
  index = std::make_unique<FrameIndex>(options.folder / "index.db", [this] { ballast->release(); });
  for (IndexRow& row : index->load(repair.dropped_rows)) insert(std::move(row));
  next_sequence = index->next_sequence();
  if (!rows.empty()) next_sequence = std::max(next_sequence, rows.rbegin()->first + 1);
  scan_files();
  ballast->restore(0);
  make_room(0);
  write_repair_message();
}

void FrameStore::Impl::insert(IndexRow row) {
  frame_bytes += row.frame.bytes;
  rows[row.frame.sequence] = std::move(row);
}

/// Removes the row, not the file.
void FrameStore::Impl::forget(std::map<std::uint64_t, IndexRow>::iterator it) {
  const std::uint64_t sequence = it->first;
  frame_bytes -= it->second.frame.bytes;
  rows.erase(it);
  save(sequence);
}

/// Brings the index up to the memory for one frame; a full disk makes that late, not lost.
void FrameStore::Impl::save(std::uint64_t sequence) {
  const auto write = [&] {
    const auto it = rows.find(sequence);
    return it == rows.end() ? index->erase(sequence) : index->write(it->second, next_sequence);
  };
  IndexWrite outcome = write();
  if (outcome == IndexWrite::full && ballast->present() && options.ballast_bytes > 0) {
    ballast->release();
    outcome = write();
  }
  if (outcome == IndexWrite::full)
    late.insert(sequence);
  else
    late.erase(sequence);
}

void FrameStore::Impl::flush_late() {
  while (!late.empty()) {
    const std::size_t before = late.size();
    save(*late.begin());
    if (late.size() == before) return;
  }
}

std::int64_t FrameStore::Impl::used() const {
  return frame_bytes + lost_bytes + options.ballast_bytes + index->bytes() + kIndexSlack;
}

/// The frame that is worth least per byte; false when all that is left is unsent.
bool FrameStore::Impl::evict_one() {
  double sum = 0;
  std::size_t scored = 0;
  for (const auto& [sequence, row] : rows)
    if (row.frame.value) sum += *row.frame.value, ++scored;
  const double mean = scored ? sum / static_cast<double>(scored) : 0;
  auto least = rows.end();
  double least_density = 0;
  for (auto it = rows.begin(); it != rows.end(); ++it) {
    const StoredFrame& f = it->second.frame;
    if (f.unsent > 0) continue;
    const double density = f.value.value_or(mean) / static_cast<double>(f.bytes);
    if (least != rows.end() && density >= least_density) continue;
    least = it;
    least_density = density;
  }
  if (least == rows.end()) return false;
  std::error_code error;
  fs::remove(frames / least->second.file, error);
  if (error)
    throw Error("frame store: cannot delete " + (frames / least->second.file).string() + ": " +
                error.message());
  forget(least);
  ++counters.evicted;
  return true;
}

bool FrameStore::Impl::make_room(std::int64_t need) {
  while (used() + need > options.quota_bytes)
    if (!evict_one()) return false;
  return true;
}

PutResult FrameStore::Impl::refuse(std::string why) {
  ++counters.full;
  return {PutStatus::full, {}, std::move(why)};
}

PutResult FrameStore::Impl::put(const Frame& frame, const Bytes& bytes) {
  IndexRow row;
  StoredFrame& f = row.frame;
  row.file_bytes = static_cast<std::int64_t>(bytes.size());
  row.digest = fnv1a(bytes.data(), bytes.size());
  f.bytes = disk_bytes(row.file_bytes);
  const std::string disk_full = "the disk of " + options.folder.string() + " is full";
  // Space that comes free belongs to the ballast first: without it nothing could be deleted next time.
  if (!ballast->restore(2 * f.bytes)) return refuse(disk_full);
  if (!make_room(f.bytes))
    return refuse("the quota of " + std::to_string(options.quota_bytes) +
                  " bytes is taken by frames whose regions are not sent yet, or is smaller than this frame");
  f.sequence = next_sequence;
  f.name = frame.name;
  f.id = make_id(f.sequence, frame.name);
  f.captured_ns = frame.captured_ns;
  f.width = frame.image_rgb.cols;
  f.height = frame.image_rgb.rows;
  row.file = f.id + (options.format == "png" ? ".png" : ".jpg");
  FileWrite outcome = write_whole(frames / row.file, bytes);
  if (outcome == FileWrite::full && !starved) {
    // Others fill the disk: live within what we have. Only once, or they would eat the whole store.
    const std::int64_t target = frame_bytes - f.bytes;
    while (frame_bytes > target && evict_one()) ++counters.evicted_by_disk;
    outcome = write_whole(frames / row.file, bytes);
  }
  starved = outcome == FileWrite::full;
  if (starved) return refuse(disk_full);
  ++next_sequence;
  const std::uint64_t sequence = f.sequence;
  PutResult result{PutStatus::stored, f.id, {}};
  insert(std::move(row));
  save(sequence);
  ++counters.stored;
  return result;
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
  const std::uint64_t sequence = row.frame.sequence;
  insert(std::move(row));
  save(sequence);
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

std::map<std::uint64_t, IndexRow>::iterator FrameStore::Impl::row_of(const std::string& id) {
  const auto parsed = parse_id(id);
  const auto it = parsed ? rows.find(parsed->sequence) : rows.end();
  return it != rows.end() && it->second.frame.id == id ? it : rows.end();
}

FrameStore::FrameStore(StoreOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
FrameStore::~FrameStore() = default;

PutResult FrameStore::put(const Frame& frame) {
  const Bytes bytes = encode(frame.image_rgb, impl_->options);
  return impl_->guarded([&] { return impl_->put(frame, bytes); });
}

std::vector<StoredFrame> FrameStore::list() const {
  return impl_->guarded([&] {
    std::vector<StoredFrame> all;
    all.reserve(impl_->rows.size());
    for (const auto& [sequence, row] : impl_->rows) all.push_back(row.frame);
    return all;
  });
}

std::optional<StoredFrame> FrameStore::find(const std::string& id) const {
  return impl_->guarded([&]() -> std::optional<StoredFrame> {
    const auto it = impl_->row_of(id);
    if (it == impl_->rows.end()) return std::nullopt;
    return it->second.frame;
  });
}

cv::Mat FrameStore::load_rgb(const std::string& id) {
  std::uint64_t digest = 0;
  std::optional<Bytes> bytes;
  const bool known = impl_->guarded([&] {
    const auto it = impl_->row_of(id);
    if (it == impl_->rows.end()) return false;
    digest = it->second.digest;
    bytes = read_whole(impl_->frames / it->second.file);
    return true;
  });
  if (!known) return {};
  if (bytes && fnv1a(bytes->data(), bytes->size()) == digest)
    if (cv::Mat image = decode_rgb(*bytes); !image.empty()) return image;
  impl_->guarded([&] {
    const auto it = impl_->row_of(id);
    if (it == impl_->rows.end()) return;
    const fs::path file = impl_->frames / it->second.file;
    if (fs::exists(file)) {
      move_into(file, impl_->lost);
      impl_->lost_bytes += it->second.frame.bytes;
    }
    impl_->forget(it);
    ++impl_->counters.damaged;
  });
  return {};
}

bool FrameStore::set_value(const std::string& id, double value) {
  DL_CHECK(std::isfinite(value), id, value);
  return impl_->guarded([&] {
    const auto it = impl_->row_of(id);
    if (it == impl_->rows.end()) return false;
    it->second.frame.value = value;
    impl_->save(it->first);
    return true;
  });
}

bool FrameStore::mark_unsent(const std::string& id, int regions) {
  DL_CHECK(regions > 0, id, regions);
  return impl_->guarded([&] {
    const auto it = impl_->row_of(id);
    if (it == impl_->rows.end()) return false;
    it->second.frame.unsent += regions;
    impl_->save(it->first);
    return true;
  });
}

bool FrameStore::mark_sent(const std::string& id, int regions) {
  DL_CHECK(regions > 0, id, regions);
  return impl_->guarded([&] {
    const auto it = impl_->row_of(id);
    if (it == impl_->rows.end()) return false;
    it->second.frame.unsent = std::max(0, it->second.frame.unsent - regions);
    impl_->save(it->first);
    return true;
  });
}

std::int64_t FrameStore::used_bytes() const {
  return impl_->guarded([&] { return impl_->used(); });
}

StoreCounters FrameStore::counters() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->counters;
}

const StoreRepair& FrameStore::repair() const {
  return impl_->repair;
}

}  // namespace driftloop::capture
