// The inside of FrameStore, shared by frame_store.cpp and frame_store_open.cpp.
#pragma once
#include <map>
#include <mutex>
#include <set>

#include "capture/frame_files.h"
#include "capture/frame_index.h"
#include "capture/frame_store.h"
#include "capture/keep_order.h"
#include "config/check.h"

namespace driftloop::capture {

struct FrameStore::Impl {
  using Rows = std::map<std::uint64_t, IndexRow>;
  using Sequences = std::vector<std::uint64_t>;

  explicit Impl(StoreOptions given);

  // Every public call goes through here: sticky failure, mutex, late index rows.
  template <class Work>
  auto guarded(Work&& work);

  void scan_files();
  bool adopt(const std::filesystem::path& file);
  void write_repair_message();
  void insert(IndexRow row);
  void forget(Rows::iterator it);
  void set_aside(Rows::iterator it);
  void save(Sequences sequences);
  void flush_late();
  void describe_some();
  bool evict_one();
  void give_up_bytes(std::int64_t bytes);
  bool make_room(std::int64_t need);
  std::int64_t used() const;
  PutResult put(const Frame& frame, const Bytes& bytes, const Signature& look);
  PutResult refuse(std::string why);
  Rows::iterator row_of(const std::string& id);
  StoredFrame shown(const IndexRow& row) const;
  template <class Change>
  bool change(const std::string& id, Change&& change);

  StoreOptions options;
  std::filesystem::path frames, lost;
  std::mutex mutex;
  std::string failure;  // sticky
  std::unique_ptr<Ballast> ballast;
  std::unique_ptr<FrameIndex> index;
  Rows rows;  // the truth, with `order`; the index follows
  KeepOrder order;
  std::set<std::uint64_t> late;  // rows that a full disk kept out of the index
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

}  // namespace driftloop::capture
