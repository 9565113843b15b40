// The link against a broken network, full disks and peers that do not behave; over real sockets.
#include "tests/support/small_disk.h"
#include "tests/uplink/link_fixture.h"
#include "tests/uplink/raw_peer.h"
#include "tests/uplink/relay.h"
#include "uplink/rate_cap.h"

namespace driftloop::uplink::test {
namespace {
namespace fs = std::filesystem;
using State = LinkReport::State;

class LinkFaultTest : public LinkTest {
 protected:
  LinkFaultTest() {
    make_vehicle_keys("van-1");
    admit("van-1");
  }
  /// A clock for `options.now` that stands still between the test's own steps.
  std::function<std::chrono::steady_clock::time_point()> hand_clock() const {
    return [this] { return clock; };
  }
  std::chrono::steady_clock::time_point clock = std::chrono::steady_clock::now();
  MemoryHandler handler;
};

TEST_F(LinkFaultTest, ACutConnectionIsResumedInTheMiddleOfARegionAndNoByteIsPaidTwice) {
  Outbox outbox(folder / "outbox.sqlite");
  const auto item = outbound(make_request(1, 3'000'000), 1);
  ASSERT_EQ(outbox.add(std::vector{item}), StoreOutcome::done);
  StationLink station(station_options(), handler);
  Relay relay(station.endpoint());
  VehicleLink vehicle(vehicle_options("van-1", relay.endpoint()), outbox);
  const auto size = static_cast<std::int64_t>(item.payload.size());
  const auto& totals = vehicle_report.totals;
  std::int64_t sent_more_than_once = 0, resumed_at_least = 0;
  for (int cut = 1; cut <= 3; ++cut) {
    ASSERT_TRUE(run_until(&station, &vehicle, [&] { return totals.region_bytes_sent >= cut * size / 5; }));
    ASSERT_LT(totals.region_bytes_sent, size) << "too late to cut";
    relay.cut();
    ASSERT_TRUE(run_until(&station, &vehicle, [&] { return vehicle_report.state != State::up; }));
    const auto sent = totals.region_bytes_sent, resumed = totals.resumed_bytes;
    ASSERT_TRUE(run_until(&station, &vehicle, [&] { return totals.resumed_bytes > resumed; }))
        << vehicle_report.problem;
    // Sent in all, less what the station did not have at this break: where it goes on.
    const auto offset = totals.resumed_bytes - resumed;
    sent_more_than_once = sent - offset;
    resumed_at_least = std::max(resumed_at_least, offset);
    EXPECT_LE(sent_more_than_once, cut * VehicleLinkOptions{}.in_flight_bytes);
  }
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return outbox.pending() == 0; })) << vehicle_report.problem;
  EXPECT_EQ(handler.regions.at(item.digest), item.payload);
  EXPECT_EQ(totals.connections, 4);
  EXPECT_GE(resumed_at_least, size / 2);
  EXPECT_EQ(totals.region_bytes_sent, size + sent_more_than_once);
}

TEST_F(LinkFaultTest, TheRateCapHoldsOverEverythingThatIsSent) {
  constexpr double kRate = 40'000;  // bytes/s of the hand-driven clock
  Outbox outbox(folder / "outbox.sqlite");
  std::vector<OutboundItem> items;
  for (int n = 0; n < 20; ++n) items.push_back(outbound(make_request(n, 9000), n));
  ASSERT_EQ(outbox.add(items), StoreOutcome::done);
  StationLink station(station_options(), handler);
  auto options = vehicle_options("van-1", station.endpoint());
  options.rate_cap_bytes_per_s = kRate;
  options.now = hand_clock();
  VehicleLink vehicle(options, outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return vehicle_report.state == State::up; }));
  const auto start = clock;
  const std::int64_t sent_before = vehicle_report.totals.bytes_sent;
  // A burst, and the debt of the one message that may go while there is credit left.
  constexpr double kSlack = 0.25 * kRate + 0.25 * kRate + 2000;
  int ticks = 0;
  ASSERT_TRUE(run_until(&station, &vehicle, [&] {
    const double elapsed_s = std::chrono::duration<double>(clock - start).count();
    const auto sent = static_cast<double>(vehicle_report.totals.bytes_sent - sent_before);
    EXPECT_LE(sent, kRate * elapsed_s + kSlack);
    clock += std::chrono::milliseconds(10);
    ++ticks;
    return outbox.pending() == 0;
  })) << vehicle_report.problem;
  EXPECT_EQ(vehicle_report.totals.connections, 1);
  EXPECT_GE(ticks, 20 * 9000 / kRate * 100 - 60);
}

TEST(RateCapTest, IdleTimeIsNotSavedUpAndOneMessageMayRunIntoDebt) {
  RateCap cap(1000);
  RateCap::Clock::time_point now(std::chrono::hours(1));
  EXPECT_FALSE(cap.may_send(now)) << "the bucket begins empty";
  now += std::chrono::hours(1);
  EXPECT_TRUE(cap.may_send(now));
  cap.spent(1250);  // a quarter of a second was saved, a whole one is owed
  EXPECT_FALSE(cap.may_send(now));
  EXPECT_EQ(cap.time_until_free(now).count(), 1001);
  EXPECT_FALSE(cap.may_send(now + std::chrono::milliseconds(999)));
  EXPECT_TRUE(cap.may_send(now + std::chrono::milliseconds(1001)));
  EXPECT_EQ(cap.time_until_free(now + std::chrono::milliseconds(1002)).count(), 0);
}

TEST_F(LinkFaultTest, AVehicleOfAnotherMajorVersionIsRefusedByTheStationWithBothNumbers) {
  StationLink station(station_options(), handler);
  RawVehicle vehicle(station.endpoint(), load_keys(folder / "vehicles" / "van-1.key"),
                     station_keys.public_z85);
  v1::Envelope hello;
  hello.mutable_hello()->set_major(kProtocolMajor + 1);
  hello.mutable_hello()->set_vehicle_id("van-1");
  hello.mutable_hello()->set_session(7);
  ASSERT_TRUE(vehicle.send(hello));
  std::string said;
  std::optional<v1::Envelope> answer;
  ASSERT_TRUE(run_until(&station, nullptr, [&] {
    for (const auto& event : station_report.events)
      if (event.kind == StationEvent::Kind::refused) said = event.text;
    if (!answer) answer = vehicle.receive();
    return answer && !said.empty();
  }));
  ASSERT_TRUE(answer->has_hello_reply());
  EXPECT_FALSE(answer->hello_reply().accepted());
  EXPECT_EQ(answer->hello_reply().session(), 7u);
  EXPECT_EQ(answer->hello_reply().reason(),
            "the station speaks protocol 1, the vehicle 2: update the older one");
  EXPECT_EQ(said, "vehicle van-1 refused: " + answer->hello_reply().reason());
  EXPECT_EQ(station_report.vehicles, 0);
}

TEST_F(LinkFaultTest, AStationOfAnotherMajorVersionIsRefusedByTheVehicleWithBothNumbers) {
  v1::HelloReply reply;
  reply.set_major(kProtocolMajor + 1);
  reply.set_accepted(true);
  reply.set_credit_bytes(1 << 20);
  reply.set_max_offers(32);
  RawStation station(station_keys, reply);
  Outbox outbox(folder / "outbox.sqlite");
  ASSERT_EQ(outbox.add(std::vector{outbound(make_request(1), 1)}), StoreOutcome::done);
  VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
  ASSERT_TRUE(run_until(nullptr, &vehicle, [&] {
    station.step();
    return vehicle_report.state == State::refused;
  }));
  EXPECT_EQ(vehicle_report.problem, "the station at " + station.endpoint() +
                                        " speaks protocol 2, this vehicle 1: update the older one");
  for (int step = 0; step < 20; ++step) {
    vehicle.step(kStep);
    station.step();
  }
  EXPECT_EQ(station.others(), 0) << "something was said to a station of another version";
  EXPECT_EQ(outbox.pending(), 1);
}

/// As many regions as may be on offer, none of which ever comes.
v1::Envelope full_offer() {
  v1::Envelope out;
  for (std::size_t n = 0; n < kMaxOffers; ++n) {
    auto& item = *out.mutable_offer()->add_items();
    item.set_digest(raw_digest(digest_of(std::to_string(n))));
    item.set_size(1000);
  }
  return out;
}

TEST_F(LinkFaultTest, AVehicleThatNeverReadsCostsBoundedMemoryAndDisturbsNobody) {
  make_vehicle_keys("deaf");
  admit("deaf");
  StationLink station(station_options(), handler);
  RawVehicle deaf(station.endpoint(), load_keys(folder / "vehicles" / "deaf.key"), station_keys.public_z85);
  v1::Envelope hello;
  hello.mutable_hello()->set_major(kProtocolMajor);
  hello.mutable_hello()->set_vehicle_id("deaf");
  Outbox outbox(folder / "outbox.sqlite");
  VehicleLink vehicle(vehicle_options("van-1", station.endpoint()), outbox);
  const v1::Envelope offer = full_offer();
  const std::int64_t answer_bytes = kMaxOffers * 36;  // of one Want, at least
  const auto& totals = station_report.totals;
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return deaf.send(hello); }));
  // Until its queue is full, and what the two kernels hold.
  ASSERT_TRUE(run_until(&station, &vehicle, [&] {
    for (int n = 0; n < 16; ++n) deaf.send(offer);
    return totals.unreachable > 0;
  })) << totals.bytes_sent;
  const auto sent = totals.bytes_sent, unreachable = totals.unreachable;
  EXPECT_GT(sent, 100 * answer_bytes) << "it was never answered: this tests nothing";
  ASSERT_TRUE(run_until(&station, &vehicle, [&] {
    deaf.send(hello);
    for (int n = 0; n < 16; ++n) deaf.send(offer);
    return totals.unreachable > unreachable + 200;
  }));
  EXPECT_LT(totals.bytes_sent, sent + 20 * answer_bytes) << "answers go on piling up";
  ASSERT_EQ(outbox.add(std::vector{outbound(make_request(1), 1)}), StoreOutcome::done);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return outbox.pending() == 0; })) << vehicle_report.problem;
  EXPECT_EQ(handler.regions.size(), 1u);
}

TEST_F(LinkFaultTest, NoLabelIsAcknowledgedThatTheVehiclesFullDiskDidNotTake) {
  const fs::path at = folder / "disk";
  const driftloop::test::SmallDisk disk(at, "4m");
  if (!disk.mounted()) GTEST_SKIP() << "this process may not mount a tmpfs (needs root)";
  constexpr std::size_t kLabels = 60;
  Outbox outbox(at / "outbox.sqlite");
  std::vector<OutboundItem> items;
  for (std::size_t n = 0; n < kLabels; ++n) items.push_back(outbound(make_request(static_cast<int>(n)), 1));
  ASSERT_EQ(outbox.add(items), StoreOutcome::done);
  for (const auto& item : items) {
    LabelReply reply;
    reply.request_digest = item.digest;
    reply.outcome = LabelReply::Outcome::labelled;
    reply.mask_png = std::string(20'000, 'm');
    handler.labels.push_back(
        {"van-1", {static_cast<std::int64_t>(handler.labels.size() + 1), item.digest, encode(reply)}});
  }
  auto options = station_options();
  options.label_window = 4;
  StationLink station(options, handler);
  auto vehicle_opts = vehicle_options("van-1", station.endpoint());
  vehicle_opts.now = hand_clock();
  VehicleLink vehicle(vehicle_opts, outbox);
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return vehicle_report.state == State::up; }));
  driftloop::test::take_all_space(at / "other-data");
  ASSERT_TRUE(run_until(&station, &vehicle, [&] {
    return vehicle_report.problem.find("the disk of this vehicle is full") != std::string::npos;
  }));
  for (int step = 0; step < 30; ++step) {
    clock += std::chrono::seconds(5);  // far beyond every timeout: the silence is the vehicle's own
    vehicle_report = vehicle.step(kStep);
    station_report = station.step(kStep);
  }
  EXPECT_EQ(vehicle_report.totals.connections, 1) << vehicle_report.problem;
  const auto durable = outbox.labels_after(0);
  EXPECT_LT(durable.size(), kLabels);
  std::set<std::string> on_disk;
  for (const auto& label : durable) on_disk.insert(label.reply.request_digest);
  for (const auto& [digest, status] : handler.acknowledged)
    EXPECT_TRUE(on_disk.count(digest)) << "acknowledged and not on the disk";
  fs::remove(at / "other-data");
  ASSERT_TRUE(run_until(&station, &vehicle, [&] { return handler.acknowledged.size() == kLabels; }));
  EXPECT_EQ(outbox.labels_after(0).size(), kLabels);
  EXPECT_EQ(vehicle_report.totals.labels_repeated, 0);
}

}  // namespace
}  // namespace driftloop::uplink::test
