#include "uplink/partials.h"

#include <algorithm>

namespace driftloop::uplink {

Partials::Taken Partials::take(const std::string& vehicle_id, const std::string& digest, const Piece& piece) {
  const std::size_t had = held(vehicle_id, digest);
  if (piece.offset != had || piece.data.size() > piece.total_size - had) return {had, true, {}};
  make_room(vehicle_id, digest, piece.data.size());
  Partial& partial = vehicles_[vehicle_id][digest];
  partial.bytes.append(piece.data);
  partial.touched = ++clock_;
  total_ += piece.data.size();
  vehicle_totals_[vehicle_id] += piece.data.size();
  Taken taken{partial.bytes.size(), false, {}};
  if (taken.held == piece.total_size) {
    taken.whole = partial.bytes;
    drop(vehicle_id, digest);
  }
  return taken;
}

std::size_t Partials::held(const std::string& vehicle_id, const std::string& digest) const {
  const auto vehicle = vehicles_.find(vehicle_id);
  if (vehicle == vehicles_.end()) return 0;
  const auto partial = vehicle->second.find(digest);
  return partial == vehicle->second.end() ? 0 : partial->second.bytes.size();
}

void Partials::drop(const std::string& vehicle_id, const std::string& digest) {
  const auto vehicle = vehicles_.find(vehicle_id);
  if (vehicle == vehicles_.end()) return;
  const auto partial = vehicle->second.find(digest);
  if (partial == vehicle->second.end()) return;
  const std::size_t size = partial->second.bytes.size();
  total_ -= size;
  vehicle_totals_[vehicle_id] -= size;
  vehicle->second.erase(partial);
  if (!vehicle->second.empty()) return;
  vehicles_.erase(vehicle);
  vehicle_totals_.erase(vehicle_id);
}

std::size_t Partials::vehicle_bytes(const std::string& vehicle_id) const {
  const auto found = vehicle_totals_.find(vehicle_id);
  return found == vehicle_totals_.end() ? 0 : found->second;
}

void Partials::make_room(const std::string& vehicle_id, const std::string& digest, std::size_t wanted) {
  const auto has_others = [&](const std::string& vehicle, const std::string& except) {
    const auto found = vehicles_.find(vehicle);
    return found != vehicles_.end() && found->second.size() > found->second.count(except);
  };
  while (vehicle_bytes(vehicle_id) + wanted > limits_.vehicle_bytes && has_others(vehicle_id, digest))
    drop_oldest_of(vehicle_id, digest);
  while (total_ + wanted > limits_.total_bytes) {
    // The one that holds most gives way first, so that a greedy vehicle pays for itself.
    const auto most = std::max_element(vehicle_totals_.begin(), vehicle_totals_.end(),
                                       [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most == vehicle_totals_.end()) return;
    const std::string victim = most->first;
    const std::string except = victim == vehicle_id ? digest : std::string();
    if (!has_others(victim, except)) return;
    drop_oldest_of(victim, except);
  }
}

void Partials::drop_oldest_of(const std::string& vehicle_id, const std::string& except_digest) {
  const PerVehicle& mine = vehicles_.at(vehicle_id);
  auto oldest = mine.end();
  for (auto it = mine.begin(); it != mine.end(); ++it)
    if (it->first != except_digest && (oldest == mine.end() || it->second.touched < oldest->second.touched))
      oldest = it;
  if (oldest != mine.end()) drop(vehicle_id, std::string(oldest->first));
}

}  // namespace driftloop::uplink
