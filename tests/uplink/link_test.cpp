#include <fstream>

#include "config/check.h"
#include "tests/uplink/link_fixture.h"

namespace driftloop::uplink::test {
namespace {

std::vector<OutboundItem> make_items(int count, std::size_t image_bytes = 2000) {
  std::vector<OutboundItem> items;
  for (int n = 0; n < count; ++n) items.push_back(outbound(make_request(n, image_bytes), n));
  return items;
}

class OneVehicle : public LinkTest {
 protected:
  OneVehicle() : outbox(folder / "outbox.sqlite") {
    make_vehicle_keys("van-1");
    admit("van-1");
  }
  Outbox outbox;
  MemoryHandler handler;
};

TEST_F(OneVehicle, RegionsArriveOnceAndTheMostValuableFirst) {
  const auto items = make_items(100);
  ASSERT_EQ(outbox.add(items), StoreOutcome::done);
  StationLink station(station_options(), handler);
  auto options = vehicle_options("van-1", station.endpoint());
  options.offer_window = 8;
  VehicleLink vehicle(options, outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return outbox.pending() == 0; })) << vehicle_report.problem;
  EXPECT_EQ(handler.regions.size(), 100u);
  for (const auto& [digest, times] : handler.stored_times) EXPECT_EQ(times, 1) << digest;
  for (const auto& item : items) EXPECT_EQ(handler.regions.at(item.digest), item.payload);
  for (int rank = 0; rank < 100; ++rank)
    EXPECT_EQ(handler.order[static_cast<std::size_t>(rank)],
              items[static_cast<std::size_t>(99 - rank)].digest);
  EXPECT_EQ(outbox.stats().receipted, 100);
  EXPECT_GT(vehicle_report.totals.bytes_sent, vehicle_report.totals.region_bytes_sent);
  EXPECT_LT(vehicle_report.totals.bytes_sent, vehicle_report.totals.region_bytes_sent * 12 / 10);
  EXPECT_TRUE(vehicle_report.problem.empty()) << vehicle_report.problem;
}

TEST_F(OneVehicle, LargeRegionsGoInManyChunks) {
  const auto items = make_items(3, 1'000'000);
  ASSERT_EQ(outbox.add(items), StoreOutcome::done);
  StationLink station(station_options(), handler);
  VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return outbox.pending() == 0; })) << vehicle_report.problem;
  for (const auto& item : items) EXPECT_EQ(handler.regions.at(item.digest), item.payload);
  std::int64_t payload_bytes = 0;
  for (const auto& item : items) payload_bytes += static_cast<std::int64_t>(item.payload.size());
  EXPECT_EQ(vehicle_report.totals.region_bytes_sent, payload_bytes);
}

TEST_F(OneVehicle, LabelsComeBackAndAreAcknowledgedAfterTheCommit) {
  const auto items = make_items(40);
  ASSERT_EQ(outbox.add(items), StoreOutcome::done);
  for (const auto& item : items) handler.add_label("van-1", item.digest);
  StationLink station(station_options(), handler);
  VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return handler.acknowledged.size() == 40; }));
  for (const auto& [digest, status] : handler.acknowledged) EXPECT_EQ(status, LabelAck::Status::stored);
  const auto labels = outbox.labels_after(0);
  ASSERT_EQ(labels.size(), 40u);
  EXPECT_EQ(labels[3].request.frame_name, "frame_3");
  EXPECT_EQ(labels[3].request.box, items[3].meta.box);
  EXPECT_EQ(labels[3].reply.reason, "a test's refusal");
  EXPECT_EQ(outbox.labels_after(labels[38].row_id).size(), 1u);
}

TEST_F(OneVehicle, ALabelThatWasNotAcknowledgedComesAgainAndHasNoSecondEffect) {
  const auto items = make_items(1);
  ASSERT_EQ(outbox.add(items), StoreOutcome::done);
  handler.add_label("van-1", items[0].digest);
  {
    StationLink station(station_options(), handler);
    VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
    ASSERT_TRUE(run_until(&station, &vehicle, [&] { return handler.acknowledged.size() == 1; }));
  }
  handler.acknowledged.clear();  // as if the station had died before its commit
  StationLink station(station_options(), handler);
  VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return handler.acknowledged.size() == 1; }));
  EXPECT_EQ(vehicle_report.totals.labels_repeated, 1);
  EXPECT_EQ(vehicle_report.totals.labels_stored, 0);
  EXPECT_EQ(outbox.labels_after(0).size(), 1u);
}

TEST_F(OneVehicle, ALabelForAnUnknownRequestIsSettledAndCounted) {
  handler.add_label("van-1", std::string(64, 'a'));
  StationLink station(station_options(), handler);
  VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return handler.acknowledged.size() == 1; }));
  EXPECT_EQ(handler.acknowledged.begin()->second, LabelAck::Status::unknown_request);
  EXPECT_EQ(vehicle_report.totals.labels_unknown, 1);
  EXPECT_TRUE(outbox.labels_after(0).empty());
}

TEST_F(OneVehicle, ComesBackByItselfAfterTheStationWasAway) {
  std::string endpoint;
  {
    StationLink station(station_options(), handler);
    endpoint = station.endpoint();
  }
  VehicleLink vehicle(vehicle_options("van-1", endpoint), outbox);
  ASSERT_EQ(outbox.add(make_items(5)), StoreOutcome::done);
  for (int round = 0; round < 3; ++round) {
    auto options = station_options();
    options.bind = endpoint;
    StationLink station(options, handler);
    ASSERT_EQ(outbox.add(std::vector{outbound(make_request(100 + round), 1)}), StoreOutcome::done);
    ASSERT_TRUE(run_until(&station, &vehicle, [&] { return outbox.pending() == 0; }))
        << vehicle_report.problem;
  }
  EXPECT_EQ(handler.regions.size(), 8u);
  EXPECT_EQ(vehicle_report.totals.connections, 3);
}

TEST_F(OneVehicle, ARegionThatTheStationRefusesIsSetAsideAndTheQueueGoesOn) {
  handler.verdict = {RegionVerdict::Kind::refused, "not wanted here"};
  ASSERT_EQ(outbox.add(make_items(3)), StoreOutcome::done);
  StationLink station(station_options(), handler);
  VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return outbox.pending() == 0; }));
  EXPECT_EQ(outbox.stats().refused, 3);
  EXPECT_EQ(vehicle_report.totals.regions_refused, 3);
}

TEST_F(OneVehicle, AFullStationLeavesTheRegionsOnTheVehicleUntilThereIsSpace) {
  handler.verdict = {RegionVerdict::Kind::later, ""};
  ASSERT_EQ(outbox.add(make_items(3)), StoreOutcome::done);
  StationLink station(station_options(), handler);
  VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return !vehicle_report.problem.empty(); }));
  EXPECT_NE(vehicle_report.problem.find("disk is full"), std::string::npos) << vehicle_report.problem;
  EXPECT_EQ(outbox.pending(), 3);
  handler.verdict = {RegionVerdict::Kind::stored, ""};
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return outbox.pending() == 0; }));
  EXPECT_EQ(handler.regions.size(), 3u);
}

TEST_F(OneVehicle, ADamagedPayloadIsQuarantinedAndTheOthersGo) {
  const auto items = make_items(10);
  ASSERT_EQ(outbox.add(items), StoreOutcome::done);
  OutboundItem lying = outbound(make_request(50), 1000);  // first in line
  lying.digest = std::string(64, 'b');
  ASSERT_EQ(outbox.add(std::vector{lying}), StoreOutcome::done);
  StationLink station(station_options(), handler);
  VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return outbox.pending() == 0; }));
  EXPECT_EQ(handler.regions.size(), 10u);
  EXPECT_EQ(outbox.stats().quarantined, 1);
}

TEST_F(LinkTest, AKeyThatIsNotAllowedIsTurnedAwayWithAMessageAtBothEndsAndAdmittedLater) {
  make_vehicle_keys("van-1");
  Outbox outbox(folder / "outbox.sqlite");
  MemoryHandler handler;
  ASSERT_EQ(outbox.add(make_items(1)), StoreOutcome::done);
  StationLink station(station_options(), handler);
  auto options = vehicle_options("van-1", station.endpoint());
  options.handshake_timeout_s = 0.3;
  VehicleLink vehicle(options, outbox);
  std::string station_said;
  ASSERT_TRUE(run_until(&station, &vehicle, [&] {
    for (const auto& event : station_report.events) station_said += event.text;
    return !station_said.empty() && !vehicle_report.problem.empty();
  }));
  EXPECT_NE(vehicle_report.problem.find(vehicle.public_key()), std::string::npos) << vehicle_report.problem;
  EXPECT_NE(vehicle_report.problem.find("allow-list"), std::string::npos);
  EXPECT_NE(station_said.find(vehicle.public_key()), std::string::npos) << station_said;
  EXPECT_TRUE(handler.regions.empty());
  admit("van-1");
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return outbox.pending() == 0; })) << vehicle_report.problem;
}

TEST_F(LinkTest, AWrongStationKeyIsNamedAndNothingIsSent) {
  make_vehicle_keys("van-1");
  admit("van-1");
  Outbox outbox(folder / "outbox.sqlite");
  MemoryHandler handler;
  ASSERT_EQ(outbox.add(make_items(1)), StoreOutcome::done);
  StationLink station(station_options(), handler);
  auto options = vehicle_options("van-1", station.endpoint());
  options.station_public_key = generate_keys().public_z85;
  options.handshake_timeout_s = 0.3;
  VehicleLink vehicle(options, outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return !vehicle_report.problem.empty(); }));
  EXPECT_NE(vehicle_report.problem.find("wrong station key"), std::string::npos) << vehicle_report.problem;
  EXPECT_EQ(vehicle_report.totals.bytes_sent, 0);
  EXPECT_EQ(outbox.pending(), 1);
}

TEST_F(LinkTest, AStationThatIsNotThereIsNamed) {
  make_vehicle_keys("van-1");
  Outbox outbox(folder / "outbox.sqlite");
  auto options = vehicle_options("van-1", "tcp://127.0.0.1:1");
  options.handshake_timeout_s = 0.2;
  VehicleLink vehicle(options, outbox);
  ASSERT_TRUE(run_until(nullptr, &vehicle, [&] { return !vehicle_report.problem.empty(); }));
  EXPECT_NE(vehicle_report.problem.find("nothing answers at tcp://127.0.0.1:1"), std::string::npos);
}

TEST_F(LinkTest, AVehicleUnderAnotherNameThanItsKeyIsRefusedWithTheReason) {
  make_vehicle_keys("van-1");
  admit("van-1");
  Outbox outbox(folder / "outbox.sqlite");
  MemoryHandler handler;
  StationLink station(station_options(), handler);
  auto options = vehicle_options("van-1", station.endpoint());
  options.vehicle_id = "van-2";
  VehicleLink vehicle(options, outbox);
  ASSERT_TRUE(
      run_until(&station, &vehicle, [&] { return vehicle_report.state == LinkReport::State::refused; }));
  EXPECT_NE(vehicle_report.problem.find("allow-list as 'van-1'"), std::string::npos)
      << vehicle_report.problem;
}

TEST_F(OneVehicle, AVehicleTakenOffTheListIsCutOffAtOnce) {
  StationLink station(station_options(), handler);
  VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return vehicle_report.state == LinkReport::State::up; }));
  std::filesystem::remove(folder / "allow" / "van-1.pub");
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return station_report.vehicles == 0; }));
  ASSERT_EQ(outbox.add(make_items(1)), StoreOutcome::done);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return !vehicle_report.problem.empty(); }));
  EXPECT_NE(vehicle_report.problem.find("allow-list"), std::string::npos) << vehicle_report.problem;
  EXPECT_TRUE(handler.regions.empty());
}

TEST_F(LinkTest, ABusyPortIsAClearError) {
  MemoryHandler handler;
  StationLink first(station_options(), handler);
  auto options = station_options();
  options.bind = first.endpoint();
  try {
    StationLink second(options, handler);
    FAIL() << "two stations on one port";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("another program listens there"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace driftloop::uplink::test
