#include "capture/frame_store.h"

#include <algorithm>
#include <cmath>

#include "capture/frame_store_impl.h"

namespace driftloop::capture {
namespace fs = std::filesystem;
namespace {

// What the index may grow by between two looks at its size.
constexpr std::int64_t kIndexSlack = 65'536;
constexpr std::size_t kRowsPerSave = 256;  // of late rows: a transaction of about 100 kB
constexpr int kDescribedPerPut = 2;        // frames of an older index, read again a few at a time
constexpr int kGiveUps = 3;
constexpr std::size_t kMostSpaceName = 64;

}  // namespace

void FrameStore::Impl::insert(IndexRow row) {
  frame_bytes += row.frame.bytes;
  rows[row.frame.sequence] = std::move(row);
}

/// Removes the row, not the file.
void FrameStore::Impl::forget(Rows::iterator it) {
  const std::uint64_t sequence = it->first;
  frame_bytes -= it->second.frame.bytes;
  order.remove(sequence);
  rows.erase(it);
  save({sequence});
}

/// For a file that turned out to be damaged.
void FrameStore::Impl::set_aside(Rows::iterator it) {
  const fs::path file = frames / it->second.file;
  if (fs::exists(file)) {
    move_into(file, lost);
    lost_bytes += it->second.frame.bytes;
  }
  forget(it);
  ++counters.damaged;
}

/// Brings the index up to the memory for these frames; a full disk makes that late, not lost.
void FrameStore::Impl::save(Sequences sequences) {
  std::sort(sequences.begin(), sequences.end());
  sequences.erase(std::unique(sequences.begin(), sequences.end()), sequences.end());
  std::vector<IndexEntry> written;
  Sequences erased;
  for (const std::uint64_t sequence : sequences) {
    const auto it = rows.find(sequence);
    if (it == rows.end())
      erased.push_back(sequence);
    else
      written.push_back({it->second, order.described(sequence)});
  }
  IndexWrite outcome = index->apply(written, erased, next_sequence);
  if (outcome == IndexWrite::full && ballast->present() && options.ballast_bytes > 0) {
    ballast->release();
    outcome = index->apply(written, erased, next_sequence);
  }
  for (const std::uint64_t sequence : sequences)
    outcome == IndexWrite::full ? void(late.insert(sequence)) : void(late.erase(sequence));
}

void FrameStore::Impl::flush_late() {
  while (!late.empty()) {
    const std::size_t before = late.size();
    const auto end = std::next(late.begin(), static_cast<std::ptrdiff_t>(std::min(before, kRowsPerSave)));
    save(Sequences(late.begin(), end));
    if (late.size() == before) return;
  }
}

/// Frames that came with an index of an earlier version get their look from their files.
void FrameStore::Impl::describe_some() {
  for (int i = 0; i < kDescribedPerPut; ++i) {
    const auto sequence = order.undescribed();
    if (!sequence) return;
    const auto it = rows.find(*sequence);
    const auto bytes = read_whole(frames / it->second.file);
    const cv::Mat image = bytes ? decode_rgb(*bytes) : cv::Mat();
    if (image.empty()) {
      set_aside(it);
      continue;
    }
    Sequences changed;
    order.set_look(*sequence, look_of(image), changed);
    save(std::move(changed));
  }
}

std::int64_t FrameStore::Impl::used() const {
  return frame_bytes + lost_bytes + options.ballast_bytes + index->bytes() + kIndexSlack;
}

/// False when all that is left is unsent.
bool FrameStore::Impl::evict_one() {
  Sequences changed;
  const auto sequence = order.next(changed);
  if (!changed.empty()) save(std::move(changed));
  if (!sequence) return false;
  const auto it = rows.find(*sequence);
  std::error_code error;
  fs::remove(frames / it->second.file, error);
  if (error)
    throw Error("frame store: cannot delete " + (frames / it->second.file).string() + ": " + error.message());
  forget(it);
  ++counters.evicted;
  return true;
}

bool FrameStore::Impl::make_room(std::int64_t need) {
  while (used() + need > options.quota_bytes)
    if (!evict_one()) return false;
  return true;
}

/// For a disk that is full before the quota is.
void FrameStore::Impl::give_up_bytes(std::int64_t bytes) {
  const std::int64_t target = frame_bytes - bytes;
  while (frame_bytes > target && evict_one()) ++counters.evicted_by_disk;
}

PutResult FrameStore::Impl::refuse(std::string why) {
  ++counters.full;
  return {PutStatus::full, {}, std::move(why)};
}

PutResult FrameStore::Impl::put(const Frame& frame, const Bytes& bytes, const Signature& look) {
  describe_some();
  IndexRow row;
  StoredFrame& f = row.frame;
  row.file_bytes = static_cast<std::int64_t>(bytes.size());
  row.digest = fnv1a(bytes.data(), bytes.size());
  f.bytes = disk_bytes(row.file_bytes);
  const std::string disk_full = "the disk of " + options.folder.string() + " is full";
  // Space that comes free belongs to the ballast first: without it nothing could be deleted next time.
  if (!ballast->restore(2 * f.bytes)) {
    // An index that had to grow may have used it up on a disk that is full of our own frames.
    if (!starved) give_up_bytes(options.ballast_bytes + 2 * f.bytes);
    starved = !ballast->restore(2 * f.bytes);
    if (starved) return refuse(disk_full);
  }
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
  // Others fill the disk: live within what we have. Not again until there was room, or they would eat the
  // whole store; but the index may take what comes free as well, so a few times at once.
  for (int attempt = 0; outcome == FileWrite::full && !starved && attempt < kGiveUps; ++attempt) {
    give_up_bytes(f.bytes);
    outcome = write_whole(frames / row.file, bytes);
  }
  starved = outcome == FileWrite::full;
  if (starved) return refuse(disk_full);
  ++next_sequence;
  PutResult result{PutStatus::stored, f.id, {}};
  Sequences changed;
  order.add(f.sequence, {false, false, f.bytes}, look, changed);
  insert(std::move(row));
  save(std::move(changed));
  ++counters.stored;
  return result;
}

FrameStore::Impl::Rows::iterator FrameStore::Impl::row_of(const std::string& id) {
  const auto parsed = parse_id(id);
  const auto it = parsed ? rows.find(parsed->sequence) : rows.end();
  return it != rows.end() && it->second.frame.id == id ? it : rows.end();
}

StoredFrame FrameStore::Impl::shown(const IndexRow& row) const {
  StoredFrame frame = row.frame;
  const KeepOrder::Value value = order.value(frame.sequence);
  frame.value = value.value;
  frame.source = value.source;
  return frame;
}

template <class Change>
bool FrameStore::Impl::change(const std::string& id, Change&& change) {
  const auto it = row_of(id);
  if (it == rows.end()) return false;
  StoredFrame& f = it->second.frame;
  const bool asked = f.asked;
  const int unsent = f.unsent;
  change(f);
  if (f.asked == asked && f.unsent == unsent) return true;
  order.set_marks(it->first, f.asked, f.unsent > 0);
  save({it->first});
  return true;
}

FrameStore::FrameStore(StoreOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
FrameStore::~FrameStore() = default;

PutResult FrameStore::put(const Frame& frame) {
  const Bytes bytes = encode(frame.image_rgb, impl_->options);
  const Signature look = look_of(frame.image_rgb);
  return impl_->guarded([&] { return impl_->put(frame, bytes, look); });
}

std::vector<StoredFrame> FrameStore::list() const {
  return impl_->guarded([&] {
    std::vector<StoredFrame> all;
    all.reserve(impl_->rows.size());
    for (const auto& [sequence, row] : impl_->rows) all.push_back(impl_->shown(row));
    return all;
  });
}

std::optional<StoredFrame> FrameStore::find(const std::string& id) const {
  return impl_->guarded([&]() -> std::optional<StoredFrame> {
    const auto it = impl_->row_of(id);
    if (it == impl_->rows.end()) return std::nullopt;
    return impl_->shown(it->second);
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
    if (it != impl_->rows.end()) impl_->set_aside(it);
  });
  return {};
}

bool FrameStore::set_asked(const std::string& id, bool asked) {
  return impl_->guarded([&] { return impl_->change(id, [&](StoredFrame& f) { f.asked = asked; }); });
}

bool FrameStore::set_feature(const std::string& id, std::span<const float> feature,
                             const std::string& space) {
  DL_CHECK(!space.empty() && space.size() <= kMostSpaceName, space);
  const Signature signature = signature_of(feature);
  return impl_->guarded([&] {
    const auto it = impl_->row_of(id);
    if (it == impl_->rows.end()) return false;
    Impl::Sequences changed;
    impl_->order.set_feature(it->first, signature, space, changed);
    impl_->save(std::move(changed));
    return true;
  });
}

std::vector<std::string> FrameStore::without_feature(const std::string& space, std::size_t at_most) const {
  return impl_->guarded([&] {
    std::vector<std::string> ids;
    for (auto it = impl_->rows.rbegin(); it != impl_->rows.rend() && ids.size() < at_most; ++it)
      if (!impl_->order.has_feature(it->first, space)) ids.push_back(it->second.frame.id);
    return ids;
  });
}

bool FrameStore::mark_unsent(const std::string& id, int regions) {
  DL_CHECK(regions > 0, id, regions);
  return impl_->guarded([&] { return impl_->change(id, [&](StoredFrame& f) { f.unsent += regions; }); });
}

bool FrameStore::mark_sent(const std::string& id, int regions) {
  DL_CHECK(regions > 0, id, regions);
  return impl_->guarded(
      [&] { return impl_->change(id, [&](StoredFrame& f) { f.unsent = std::max(0, f.unsent - regions); }); });
}

std::int64_t FrameStore::used_bytes() const {
  return impl_->guarded([&] { return impl_->used(); });
}

std::size_t FrameStore::size() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->rows.size();
}

std::string FrameStore::failure() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->failure;
}

StoreCounters FrameStore::counters() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->counters;
}

const StoreRepair& FrameStore::repair() const {
  return impl_->repair;
}

}  // namespace driftloop::capture
