// The vehicle's durable memory of the link: regions on their way up, and the labels that came back. One
// SQLite file. All calls are thread-safe (one mutex) and block for the disk; none waits for the network.
// A failed database is final: the first such call and all later ones throw Error (stop and say so). A full
// disk is an ordinary outcome that changes nothing.
//
// It does not grow for ever: payloads go with their receipts, and the newest kKeptMerged merged labels and
// the newest kKeptRefused refused regions are kept. What is still on its way at either end is never
// forgotten.
//
// Order is by value, then by age in rows: no clock is asked, so a clock step can neither lose nor expire a
// region. How much of a region was sent is not kept here: after a reconnect the station says what it has.
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

namespace driftloop::uplink {

/// What stays of a request after its payload was sent and dropped: enough to merge its label.
struct RequestMeta {
  std::string frame_name;
  int frame_width = 0;  // px
  int frame_height = 0;
  Box box;
  int round = 0;
};

struct OutboundItem {
  std::string digest;   // hex SHA-256 of payload
  std::string payload;  // encode(RegionRequest)
  double value = 0;     // higher leaves first; finite
  RequestMeta meta;
};
/// Encodes and names a request.
OutboundItem outbound(const RegionRequest& request, double value);

struct QueuedItem {
  std::string digest;
  double value = 0;
  std::size_t size_bytes = 0;
};

struct InboxLabel {
  std::int64_t row_id = 0;  // grows; a consumer keeps the last one it merged in its own checkpoint
  LabelReply reply;
  RequestMeta request;
};

struct ArrivedLabel {
  std::string request_digest;
  std::string payload;  // encode(LabelReply)
};
enum class LabelFate { stored, duplicate, unknown_request, malformed };

struct OutboxStats {
  std::int64_t queued = 0;
  std::int64_t queued_bytes = 0;
  std::int64_t receipted = 0;
  std::int64_t refused = 0;      // by the station, for good
  std::int64_t quarantined = 0;  // damaged rows, of regions and of labels
  std::int64_t labels = 0;       // in the inbox, merged or not
  bool operator==(const OutboxStats&) const = default;
};

class Outbox {
 public:
  /// Merged labels that stay at the most, with their requests: at least as many as may be unanswered at one
  /// time, so that a learner that must go back to its state before the last finds them all; also enough that
  /// a label that the station repeats is known.
  static constexpr std::int64_t kKeptMerged = 10'000;
  /// Refused regions that stay with their payloads, for whoever looks into why.
  static constexpr std::int64_t kKeptRefused = 100;

  /// Opens or creates the file (and its folder). Throws Error.
  explicit Outbox(const std::filesystem::path& file);
  ~Outbox();
  Outbox(Outbox&&) noexcept;
  Outbox& operator=(Outbox&&) noexcept;

  /// Queues all items in one transaction, on disk when it returns `done`. An item that is known by its digest
  /// already, in whatever state, is left as it is.
  [[nodiscard]] StoreOutcome add(std::span<const OutboundItem> items);

  /// The `count` most valuable queued items, most valuable first, oldest first among equals.
  std::vector<QueuedItem> next_by_value(std::size_t count);
  /// The bytes of a queued item. None when it is not queued, or when its bytes are damaged: then the row is
  /// quarantined and counted, and the queue goes on without it.
  std::optional<std::string> payload(const std::string& digest);

  /// Marks items as durable at the station and drops their payloads. Unknown digests are ignored.
  [[nodiscard]] StoreOutcome mark_receipted(std::span<const std::string> digests);
  /// The station will never take this one. All but the newest kKeptRefused of these are forgotten.
  [[nodiscard]] StoreOutcome mark_refused(const std::string& digest, const std::string& reason);

  /// Queued items not yet receipted.
  std::int64_t pending();
  OutboxStats stats();
  /// Changes whenever the queue may have: lets a poller skip next_by_value. Does not block.
  std::uint64_t revision() const;
  std::optional<RequestMeta> request(const std::string& digest);
  /// Those of `digests` for which no label can come (any more): refused by the station, damaged on this disk,
  /// or not here. Ask when their labels have been read: a merged and forgotten one is not here either.
  std::vector<std::string> unanswerable(std::span<const std::string> digests);

  /// Stores labels in one transaction, each request's first label only. `fates` has one entry a label, in
  /// order, and holds when the outcome is `done`.
  [[nodiscard]] StoreOutcome store_labels(std::span<const ArrivedLabel> labels,
                                          std::vector<LabelFate>& fates);
  /// At most `count` labels with row_id > `row_id`, ascending. Damaged ones are quarantined and left out.
  std::vector<InboxLabel> labels_after(std::int64_t row_id, std::size_t count = 1000);
  /// The consumer has durably merged all labels up to `row_id`. Forgets them and their requests, but for the
  /// newest `keep`. A forgotten label that came again would be an unknown request: without effect.
  [[nodiscard]] StoreOutcome forget_merged(std::int64_t row_id, std::int64_t keep = kKeptMerged);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftloop::uplink
