// The station's end of the link: many vehicles on one ROUTER socket, encrypted, by allow-list. Stepped by one
// owner thread: no thread of its own, no log. What is durable is decided behind StationHandler.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace driftloop::uplink {

struct ArrivedRegion {
  std::string vehicle_id;  // as proven by its key
  std::string digest;      // hex; the payload has been checked against it
  std::string payload;     // encode(RegionRequest), not yet decoded
};
struct RegionVerdict {
  enum class Kind {
    stored,   // durable now, or was before
    refused,  // never will be: `reason` says why, in one line
    later     // cannot be stored now (disk full): the vehicle keeps it and offers it again
  };
  Kind kind = Kind::later;
  std::string reason;
};

struct OutgoingLabel {
  std::int64_t row_id = 0;  // ascending in the order of the answers
  std::string request_digest;
  std::string payload;  // encode(LabelReply)
};
struct LabelAck {
  enum class Status { stored, unknown_request, malformed };
  std::string request_digest;
  Status status = Status::stored;
};

/// What the station does with what arrives. Called from step(), on its thread; may block for the disk.
/// Exceptions pass through step().
class StationHandler {
 public:
  virtual ~StationHandler() = default;
  /// For each digest: durable here already (or refused before)? Then it is not asked for again.
  virtual std::vector<bool> known(const std::string& vehicle_id, std::span<const std::string> digests) = 0;
  /// Commits all in one transaction and returns a verdict for each, in order.
  virtual std::vector<RegionVerdict> commit(std::span<const ArrivedRegion> regions) = 0;
  /// Labels of this vehicle with row_id > `row_id` that it has not acknowledged, ascending, at most `count`.
  virtual std::vector<OutgoingLabel> labels_after(const std::string& vehicle_id, std::int64_t row_id,
                                                  std::size_t count) = 0;
  virtual void acknowledge(const std::string& vehicle_id, std::span<const LabelAck> acks) = 0;
};

struct StationLinkOptions {
  std::string bind = "tcp://*:5555";
  std::string secret_key_file;
  std::string allow_folder;
  std::int64_t credit_bytes = 1 << 20;
  std::int64_t vehicle_buffer_bytes = 8 << 20;
  std::int64_t total_buffer_bytes = 128LL << 20;
  int label_window = 16;
  std::function<std::chrono::steady_clock::time_point()> now = [] {
    return std::chrono::steady_clock::now();
  };
};

struct StationEvent {
  enum class Kind { connected, refused, key_refused, allow_list, misbehaved, store_full };
  Kind kind;
  std::string vehicle_id;  // empty when not known
  std::string text;        // one line for the log
};

struct StationCounters {
  std::int64_t bytes_received = 0;  // on the wire: messages with their framing and encryption
  std::int64_t bytes_sent = 0;
  std::int64_t regions_stored = 0;
  std::int64_t regions_refused = 0;
  std::int64_t labels_sent = 0;
  std::int64_t labels_acknowledged = 0;
  std::int64_t keys_refused = 0;
  std::int64_t malformed = 0;
  std::int64_t unreachable = 0;  // messages for a vehicle that was gone or did not read
};

struct StationReport {
  bool progress = false;
  int vehicles = 0;                  // with an open session
  std::vector<StationEvent> events;  // of this step, bounded
  StationCounters totals;
};

class StationLink {
 public:
  /// Binds. `handler` must outlive the link. Throws Error: busy port, bad key, missing folder.
  StationLink(const StationLinkOptions& options, StationHandler& handler);
  ~StationLink();
  StationLink(StationLink&&) noexcept;
  StationLink& operator=(StationLink&&) noexcept;

  /// Does what there is to do and waits up to `max_wait` when there is nothing.
  StationReport step(std::chrono::milliseconds max_wait);
  /// New answers for this vehicle are in the handler: they leave in the next step if it is connected.
  void labels_ready(const std::string& vehicle_id);

  /// As bound, with the real port.
  const std::string& endpoint() const;
  const std::string& public_key() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftloop::uplink
