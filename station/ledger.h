// The lab's durable memory: every region that arrived and every answer to one, once each by digest. One
// SQLite file; calls are thread-safe and block for the disk. A failed database is final (Error, then and ever
// after); a full disk is an ordinary outcome that changes nothing.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "uplink/region.h"
#include "uplink/store_outcome.h"
#include "uplink/zmq_station_link.h"

namespace driftloop::station {

/// A region that waits for its label, lent to one labeller.
struct Request {
  std::string digest;
  uplink::RegionRequest region;
};

struct Answer {
  std::string vehicle_id;
  uplink::LabelReply reply;
};

struct VehicleStats {
  std::string vehicle_id;
  std::int64_t regions = 0;
  std::int64_t waiting = 0;         // for a label
  std::int64_t damaged = 0;         // regions whose bytes no longer match their digest
  std::int64_t labelled = 0;        // answers with a mask
  std::int64_t refused = 0;         // answers without one
  std::int64_t unacknowledged = 0;  // answers that the vehicle has not confirmed yet
  std::int64_t orphaned = 0;        // answers to a vehicle that has lost its request
};
struct RefusalCount {
  std::string reason;
  std::int64_t count = 0;
};
struct LedgerStats {
  std::vector<VehicleStats> vehicles;
  std::vector<RefusalCount> refusals;  // most frequent first, at most 20
};

class Ledger {
 public:
  explicit Ledger(const std::filesystem::path& file);
  /// A ledger that another process may be using, for stats() alone: nothing is changed or repaired.
  static Ledger look_at(const std::filesystem::path& file);
  ~Ledger();
  Ledger(Ledger&&) noexcept;
  Ledger& operator=(Ledger&&) noexcept;

  /// For each digest: is this region here already?
  std::vector<bool> known(std::span<const std::string> digests);
  /// All in one transaction; a digest that is here already is left as it is.
  [[nodiscard]] uplink::StoreOutcome add(std::span<const uplink::ArrivedRegion> regions);

  /// Up to `count` waiting regions that nobody holds, oldest first, now held by `holder` (a labeller's name).
  /// Leases live in memory: a restart frees them all. Damaged regions are set aside, and answered as refused,
  /// so that the vehicle does not wait for them.
  std::vector<Request> lease(const std::string& holder, std::size_t count);
  void release(const std::string& holder);

  /// Stores answers in one transaction, the first of each request, and frees their leases.
  [[nodiscard]] uplink::StoreOutcome answer(std::span<const Answer> answers);

  /// See uplink::StationHandler.
  std::vector<uplink::OutgoingLabel> labels_after(const std::string& vehicle_id, std::int64_t row_id,
                                                  std::size_t count);
  [[nodiscard]] uplink::StoreOutcome acknowledge(const std::string& vehicle_id,
                                                 std::span<const uplink::LabelAck> acks);

  LedgerStats stats();
  /// Where a file that could not be used was put at opening; empty when all was well.
  std::filesystem::path damaged_copy() const;

 private:
  struct Impl;
  explicit Ledger(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftloop::station
