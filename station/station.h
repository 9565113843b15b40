// The lab as one object: the link to the vehicles, the ledger, and whoever labels. Stepped by one owner
// thread.
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "config/fields.h"
#include "station/label_source.h"
#include "uplink/zmq_station_link.h"

namespace driftloop::station {

struct StationOptions {
  std::string state = "/var/lib/driftloop-station";
  uplink::StationLinkOptions link;
  LabelSourceOptions labels;
};
void describe(config::Fields& f, StationOptions& o);

struct StationStep {
  uplink::StationReport link;
  int answered = 0;        // in this step
  bool disk_full = false;  // something could not be stored in this step; it is tried again
};

class Station {
 public:
  /// Takes the state folder for itself, opens the ledger, binds. Throws Error: folder in use, busy port, bad
  /// key.
  explicit Station(const StationOptions& options);
  ~Station();
  Station(const Station&) = delete;
  Station& operator=(const Station&) = delete;

  /// `now_ns` is the wall clock, written into the answers for people to read.
  StationStep step(std::chrono::milliseconds max_wait, std::int64_t now_ns);

  const std::string& endpoint() const;
  const std::string& public_key() const;
  Ledger& ledger();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The ledger's file below a state folder.
std::filesystem::path ledger_file(const std::filesystem::path& state);

}  // namespace driftloop::station
