// The vehicle's end of the link. Stepped by one owner thread: no thread of its own, no log, no clock but the
// injected one. Offers the most valuable regions, sends what the station wants in chunks, marks receipts,
// stores labels and acknowledges them after their commit. Reconnects for ever.
#pragma once
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "config/fields.h"
#include "uplink/outbox.h"

namespace driftloop::uplink {

struct VehicleLinkOptions {
  std::string station_endpoint = "tcp://127.0.0.1:5555";
  std::string station_public_key;
  std::string secret_key_file;
  std::string vehicle_id;
  int offer_window = 32;
  int chunk_bytes = 64 << 10;
  int in_flight_bytes = 128 << 10;
  double rate_cap_bytes_per_s = 0;
  double handshake_timeout_s = 10;
  double reply_timeout_s = 20;
  /// Monotonic; replaced in tests.
  std::function<std::chrono::steady_clock::time_point()> now = [] {
    return std::chrono::steady_clock::now();
  };
};
void describe(config::Fields& f, VehicleLinkOptions& o);

struct LinkCounters {
  std::int64_t bytes_sent = 0;  // on the wire: messages with their framing and encryption
  std::int64_t bytes_received = 0;
  std::int64_t region_bytes_sent = 0;  // region payload alone; above the sizes of the regions = sent twice
  std::int64_t regions_receipted = 0;
  std::int64_t regions_refused = 0;
  std::int64_t labels_stored = 0;
  std::int64_t labels_repeated = 0;  // came again after a reconnect, had no effect
  std::int64_t labels_unknown = 0;   // for no region of ours, or malformed
  std::int64_t connections = 0;      // sessions that the station accepted
  std::int64_t resumed_bytes = 0;    // not sent again because the station had them
  std::int64_t malformed = 0;        // messages that could not be read
};

struct LinkReport {
  enum class State { connecting, greeting, up, refused };
  State state = State::connecting;
  bool progress = false;  // something was received, sent or stored in this step
  std::string problem;    // one line for a person while something is wrong, else empty
  LinkCounters totals;    // since this object was made
};

class VehicleLink {
 public:
  /// Reads the keys and begins to connect. `outbox` must outlive the link. Throws Error on a bad key,
  /// endpoint or vehicle id.
  VehicleLink(const VehicleLinkOptions& options, Outbox& outbox);
  ~VehicleLink();
  VehicleLink(VehicleLink&&) noexcept;
  VehicleLink& operator=(VehicleLink&&) noexcept;

  /// Does what there is to do and waits up to `max_wait` for more when there is nothing. Throws Error only
  /// when the outbox failed.
  LinkReport step(std::chrono::milliseconds max_wait);

  const std::string& public_key() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace driftloop::uplink
