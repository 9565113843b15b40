// The vehicle's side of one session: what is on offer, what the station wants, what is in flight. Pure state,
// no socket: the most valuable wanted region always leaves next, also when another is half sent.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "uplink/outbox.h"

namespace driftloop::uplink {

class Transfers {
 public:
  struct Transfer {
    QueuedItem item;
    std::uint64_t order = 0;  // of offering: the elder goes first among equals
    bool wanted = false;
    bool done = false;  // receipted or refused; stays until the outbox knows it
    std::size_t next_offset = 0;
    std::size_t confirmed = 0;
    std::string payload;  // while it is being sent
  };

  /// Those of `items` that are not on offer yet; they are from now on, up to `max_offers` in all.
  std::vector<QueuedItem> offer(const std::vector<QueuedItem>& items, std::size_t max_offers);

  /// The station asks for the bytes from `offset` on. False for an unknown digest or an impossible offset.
  [[nodiscard]] bool want(const std::string& digest, std::uint64_t offset);
  [[nodiscard]] bool confirm(const std::string& digest, std::uint64_t confirmed);
  /// The next `bytes` of it have left.
  void advance(const std::string& digest, std::size_t bytes);
  /// Over for this session: true when it was on offer and not over before.
  bool finish(const std::string& digest);
  /// No longer on offer; it may be offered again.
  void forget(const std::string& digest) { transfers_.erase(digest); }
  void clear() { transfers_.clear(); }

  /// What leaves next: none when nothing wanted is left to send.
  Transfer* next();
  std::size_t in_flight_bytes() const;
  std::size_t size() const { return transfers_.size(); }
  /// Something is on offer or under way: an answer is due.
  bool awaits_station() const;

 private:
  std::map<std::string, Transfer> transfers_;
  std::uint64_t order_ = 0;
};

}  // namespace driftloop::uplink
