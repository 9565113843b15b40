// The vehicle's half of the protocol (docs/protocol.md) without a socket: it is told of connections, takes
// the station's messages and holds what is to be sent. Called by the link's owner thread; blocks for the disk
// only.
#pragma once
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "uplink/outbox.h"
#include "uplink/transfers.h"
#include "uplink/wire.h"
#include "uplink/zmq_vehicle_link.h"

namespace driftloop::uplink {

class VehicleSession {
 public:
  using Clock = std::chrono::steady_clock;
  /// `options` and `outbox` outlive the session. Throws Error on a bad vehicle id.
  VehicleSession(const VehicleLinkOptions& options, Outbox& outbox);

  /// An encrypted connection stands: whatever was before is over, and Hello is to be sent.
  void connected(Clock::time_point now);
  /// What was under way is forgotten, as it is offered again; what is durable at either end is not.
  void disconnected(Clock::time_point now);

  /// False while the disk is full: what cannot be kept is not taken, so that the station waits.
  bool can_take() const { return !disk_is_full_; }
  /// The bytes of one message, whatever they are.
  void take(std::string_view bytes, Clock::time_point now);
  /// Makes durable what was taken and queues its acknowledgements, in this order. Throws Error.
  void commit(Clock::time_point now);
  /// Greets again, after a pause, a station that refused; queues offers of what the outbox has.
  void speak(Clock::time_point now);

  /// Messages to be sent before any chunk; whoever sends one takes it off the front.
  std::deque<std::string>& outgoing() { return outgoing_; }
  struct OutgoingChunk {
    std::string message;
    std::string digest;
    std::size_t data_bytes = 0;
  };
  /// There is a wanted byte, and room in the window for it.
  bool has_chunk();
  /// Of the most valuable wanted region, at most `most_bytes` of it. The same again until sent() is called.
  std::optional<OutgoingChunk> next_chunk(std::size_t most_bytes);
  void sent(const OutgoingChunk& chunk);
  /// The largest chunk that both ends agree on.
  std::size_t chunk_bytes() const { return chunk_bytes_; }

  /// An answer has been due for longer than `reply_timeout_s`.
  bool is_overdue(Clock::time_point now) const;
  Clock::time_point down_since() const { return down_since_; }
  LinkReport& report() { return report_; }

 private:
  void greet(Clock::time_point now);
  void refused_for(const std::string& problem);
  void handle(const v1::Envelope& in, Clock::time_point now);
  void on_hello_reply(const v1::HelloReply& reply, Clock::time_point now);
  void on_want(const v1::Want& want);
  void on_receipt(const v1::Receipt& receipt);
  void on_problem(const v1::Problem& problem, Clock::time_point now);
  StoreOutcome commit_receipts();
  StoreOutcome commit_labels();
  void post(const v1::Envelope& envelope) { outgoing_.push_back(pack(envelope)); }

  const VehicleLinkOptions& options_;
  Outbox& outbox_;
  LinkReport report_;
  Transfers transfers_;
  std::deque<std::string> outgoing_;
  // Taken and not durable yet.
  std::vector<std::string> receipted_;
  std::vector<std::pair<std::string, std::string>> refused_;
  std::vector<ArrivedLabel> labels_;

  std::uint64_t session_ = 0;
  std::uint64_t seen_revision_ = 0;  // of the outbox, when offers were last made; 0 = look again
  std::size_t credit_bytes_ = 0;
  std::size_t max_offers_ = 0;
  std::size_t chunk_bytes_ = 0;
  bool disk_is_full_ = false;
  Clock::time_point down_since_;
  Clock::time_point last_heard_;
  Clock::time_point offers_after_;
};

}  // namespace driftloop::uplink
