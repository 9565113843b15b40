// A station and vehicles in one process, over real sockets on loopback.
#pragma once
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/support/temp_folder.h"
#include "uplink/digest.h"
#include "uplink/keys.h"
#include "uplink/outbox.h"
#include "uplink/zmq_station_link.h"
#include "uplink/zmq_vehicle_link.h"

namespace driftloop::uplink::test {

inline RegionRequest make_request(int n, std::size_t image_bytes = 2000,
                                  const std::string& vehicle = "van-1") {
  RegionRequest r;
  r.vehicle_id = vehicle;
  r.frame_name = "frame_" + std::to_string(n);
  r.captured_ns = 1000 + n;
  r.frame_width = 640;
  r.frame_height = 320;
  r.box = {10 + n % 100, 20, 32, 32};
  r.crop = {0, 0, 200, 100};
  r.crop_image.resize(image_bytes);
  for (std::size_t i = 0; i < image_bytes; ++i)
    r.crop_image[i] = static_cast<char>((i * 2654435761u + static_cast<std::size_t>(n) * 97u) >> 7);
  r.score = n;
  r.strategy = "ripu";
  r.label_space = "cityscapes19";
  return r;
}

/// A handler in memory: what the ledger does, without a disk, so that a test sees every call.
class MemoryHandler : public StationHandler {
 public:
  std::vector<bool> known(const std::string&, std::span<const std::string> digests) override {
    std::vector<bool> result;
    for (const auto& digest : digests) result.push_back(regions.count(digest) > 0);
    return result;
  }
  std::vector<RegionVerdict> commit(std::span<const ArrivedRegion> arrived) override {
    std::vector<RegionVerdict> verdicts;
    for (const auto& region : arrived) {
      if (verdict.kind == RegionVerdict::Kind::stored) {
        ++stored_times[region.digest];
        order.push_back(region.digest);
        regions[region.digest] = region.payload;
      }
      verdicts.push_back(verdict);
    }
    return verdicts;
  }
  std::vector<OutgoingLabel> labels_after(const std::string& vehicle_id, std::int64_t row_id,
                                          std::size_t count) override {
    std::vector<OutgoingLabel> result;
    for (const auto& [vehicle, label] : labels)
      if (vehicle == vehicle_id && label.row_id > row_id && !acknowledged.count(label.request_digest) &&
          result.size() < count)
        result.push_back(label);
    return result;
  }
  void acknowledge(const std::string&, std::span<const LabelAck> acks) override {
    for (const auto& ack : acks) acknowledged[ack.request_digest] = ack.status;
  }
  void add_label(const std::string& vehicle_id, const std::string& request_digest) {
    LabelReply reply;
    reply.request_digest = request_digest;
    reply.reason = "a test's refusal";
    labels.push_back(
        {vehicle_id, {static_cast<std::int64_t>(labels.size() + 1), request_digest, encode(reply)}});
  }

  RegionVerdict verdict{RegionVerdict::Kind::stored, ""};
  std::map<std::string, std::string> regions;
  std::map<std::string, int> stored_times;
  std::vector<std::string> order;
  std::vector<std::pair<std::string, OutgoingLabel>> labels;
  std::map<std::string, LabelAck::Status> acknowledged;
};

class LinkTest : public testing::Test {
 protected:
  static constexpr auto kStep = std::chrono::milliseconds(5);
  static constexpr auto kPatience = std::chrono::seconds(20);

  LinkTest() {
    station_report = {};
    vehicle_report = {};
    station_keys = generate_keys();
    save_keys(station_keys, folder / "station", "station");
    std::filesystem::create_directories(folder / "allow");
  }

  /// A vehicle's key file; admitted when its public half is put into the allow-list.
  std::filesystem::path make_vehicle_keys(const std::string& vehicle_id) {
    return save_keys(generate_keys(), folder / "vehicles", vehicle_id);
  }
  void admit(const std::string& vehicle_id) {
    std::filesystem::copy_file(folder / "vehicles" / (vehicle_id + ".pub"),
                               folder / "allow" / (vehicle_id + ".pub"));
  }
  StationLinkOptions station_options() {
    StationLinkOptions o;
    o.bind = "tcp://127.0.0.1:*";
    o.secret_key_file = (folder / "station" / "station.key").string();
    o.allow_folder = (folder / "allow").string();
    return o;
  }
  VehicleLinkOptions vehicle_options(const std::string& vehicle_id, const std::string& endpoint) {
    VehicleLinkOptions o;
    o.station_endpoint = endpoint;
    o.station_public_key = station_keys.public_z85;
    o.secret_key_file = (folder / "vehicles" / (vehicle_id + ".key")).string();
    o.vehicle_id = vehicle_id;
    return o;
  }

  /// Steps both ends in turn until `done`; false when patience ran out.
  static bool run_until(StationLink* station, VehicleLink* vehicle, const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      if (station) station_report = station->step(kStep);
      if (vehicle) vehicle_report = vehicle->step(kStep);
    }
    return true;
  }

  driftloop::test::TempFolder folder;
  KeyPair station_keys;
  inline static StationReport station_report;
  inline static LinkReport vehicle_report;
};

}  // namespace driftloop::uplink::test
