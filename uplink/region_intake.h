// Regions on their way in at the station, without a socket: what was offered is wanted from where it broke
// off, chunks become regions, whole regions are committed together and answered after that.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "uplink/partials.h"
#include "uplink/wire.h"
#include "uplink/zmq_station_link.h"

namespace driftloop::uplink {

/// Adds a line for the log, unless this step has had many already: a vehicle cannot flood it.
void note(StationReport& report, StationEvent::Kind kind, const std::string& vehicle_id, std::string text);

/// `digest` is that of the region it is about, or empty.
v1::Envelope problem_message(v1::Problem::Code code, const std::string& digest, const std::string& text);

class RegionIntake {
 public:
  using Offers = std::map<std::string, std::size_t>;  // digest -> size: asked of a vehicle in its session
  using Messages = std::vector<v1::Envelope>;         // for the vehicle, in order

  /// `handler` and `report` outlive the intake.
  RegionIntake(const StationLinkOptions& options, StationHandler& handler, StationReport& report);

  Messages on_offer(const std::string& vehicle_id, Offers& offers, const v1::Offer& offer);
  Messages on_chunk(const std::string& vehicle_id, Offers& offers, const v1::Chunk& chunk);

  /// Enough has arrived for one commit: take no more before it.
  bool is_full() const;
  /// Commits what has arrived whole; the answers by vehicle id.
  std::map<std::string, Messages> commit();

 private:
  Messages on_whole(const std::string& vehicle_id, const std::string& digest, std::string bytes);
  void answer(const ArrivedRegion& region, const RegionVerdict& verdict, v1::Receipt& receipt);

  std::uint64_t credit_bytes_;
  StationHandler& handler_;
  StationReport& report_;
  Partials partials_;
  std::vector<ArrivedRegion> arrived_;
  std::size_t arrived_bytes_ = 0;
};

}  // namespace driftloop::uplink
