#include "uplink/transfers.h"

#include <algorithm>

namespace driftloop::uplink {

std::vector<QueuedItem> Transfers::offer(const std::vector<QueuedItem>& items, std::size_t max_offers) {
  std::vector<QueuedItem> fresh;
  for (const auto& item : items) {
    if (transfers_.size() >= max_offers) break;
    Transfer transfer;
    transfer.item = item;
    transfer.order = order_;
    if (!transfers_.emplace(item.digest, std::move(transfer)).second) continue;
    ++order_;
    fresh.push_back(item);
  }
  return fresh;
}

bool Transfers::want(const std::string& digest, std::uint64_t offset) {
  const auto found = transfers_.find(digest);
  if (found == transfers_.end() || offset > found->second.item.size_bytes) return false;
  Transfer& transfer = found->second;
  if (transfer.done) return true;
  transfer.wanted = true;
  transfer.next_offset = transfer.confirmed = static_cast<std::size_t>(offset);
  return true;
}

bool Transfers::confirm(const std::string& digest, std::uint64_t confirmed) {
  const auto found = transfers_.find(digest);
  if (found == transfers_.end()) return true;  // a late word about one that is over
  Transfer& transfer = found->second;
  if (confirmed > transfer.next_offset) return false;
  transfer.confirmed = std::max(transfer.confirmed, static_cast<std::size_t>(confirmed));
  return true;
}

void Transfers::advance(const std::string& digest, std::size_t bytes) {
  const auto found = transfers_.find(digest);
  if (found == transfers_.end()) return;
  found->second.next_offset += bytes;
  if (found->second.next_offset >= found->second.item.size_bytes) found->second.payload = {};
}

bool Transfers::finish(const std::string& digest) {
  const auto found = transfers_.find(digest);
  if (found == transfers_.end() || found->second.done) return false;
  found->second.done = true;
  found->second.payload.clear();
  return true;
}

Transfers::Transfer* Transfers::next() {
  Transfer* best = nullptr;
  for (auto& [digest, transfer] : transfers_) {
    if (!transfer.wanted || transfer.done || transfer.next_offset >= transfer.item.size_bytes) continue;
    const bool better = !best || transfer.item.value > best->item.value ||
                        (transfer.item.value == best->item.value && transfer.order < best->order);
    if (better) best = &transfer;
  }
  return best;
}

std::size_t Transfers::in_flight_bytes() const {
  std::size_t sum = 0;
  for (const auto& [digest, transfer] : transfers_)
    if (!transfer.done) sum += transfer.next_offset - transfer.confirmed;
  return sum;
}

bool Transfers::awaits_station() const {
  return std::any_of(transfers_.begin(), transfers_.end(), [](const auto& entry) {
    const Transfer& t = entry.second;
    return !t.done && (!t.wanted || t.next_offset > t.confirmed || t.next_offset >= t.item.size_bytes);
  });
}

}  // namespace driftloop::uplink
