// The station on a disk that fills up: what it acknowledged is there, what it could not store waits on the
// vehicle, and it goes on when there is room.
#include <gtest/gtest.h>

#include <set>

#include "station/station.h"
#include "tests/station/truth.h"
#include "tests/support/small_disk.h"
#include "tests/uplink/link_fixture.h"

namespace driftloop::station::test {
namespace {
namespace fs = std::filesystem;
using uplink::LinkReport;

class FullDiskTest : public uplink::test::LinkTest {
 protected:
  FullDiskTest() {
    make_vehicle_keys("van-1");
    admit("van-1");
    write_truth(folder / "truth");
  }
  StationOptions options() {
    StationOptions o;
    o.state = (at / "state").string();
    o.link = station_options();
    o.labels.folder = (folder / "truth").string();
    return o;
  }
  bool run_both(Station& station, uplink::VehicleLink& vehicle, const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      step = station.step(kStep, 0);
      vehicle_report = vehicle.step(kStep);
    }
    return true;
  }
  fs::path at = folder / "disk";
  StationStep step;
};

/// What a station that starts on a copy of these files finds: only what was on the disk.
std::vector<bool> durable(const fs::path& state, const fs::path& copy, std::span<const std::string> digests) {
  fs::copy(state, copy, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  return Ledger(ledger_file(copy)).known(digests);
}

TEST_F(FullDiskTest, NothingIsAcknowledgedThatTheLedgerDoesNotHoldAndItGoesOnWithRoom) {
  const driftloop::test::SmallDisk disk(at, "6m");
  if (!disk.mounted()) GTEST_SKIP() << "this process may not mount a tmpfs (needs root)";
  constexpr int kBefore = 20, kAll = 60;
  uplink::Outbox outbox(folder / "outbox.sqlite");
  std::vector<std::string> digests;
  const auto queue = [&](int from, int to) {
    std::vector<uplink::OutboundItem> items;
    for (int n = from; n < to; ++n) {
      items.push_back(uplink::outbound(numbered_request(n, "van-1"), n));
      digests.push_back(items.back().digest);
    }
    ASSERT_EQ(outbox.add(items), uplink::StoreOutcome::done);
  };
  Station station(options());
  auto link_options = vehicle_options("van-1", station.endpoint());
  auto clock = std::chrono::steady_clock::now();
  link_options.now = [&clock] { return clock; };
  uplink::VehicleLink vehicle(link_options, outbox);
  queue(0, kBefore);
  ASSERT_TRUE(run_both(station, vehicle, [&] { return outbox.stats().labels == kBefore; }))
      << vehicle_report.problem;

  driftloop::test::take_all_space(at / "other-data");
  queue(kBefore, kAll);
  // Its pause is over at once: it offers again, and is sent away again while the disk is full.
  const auto offer_again = [&] {
    if (vehicle_report.problem.find("disk is full") != std::string::npos) clock += std::chrono::seconds(1);
  };
  int full_steps = 0;
  ASSERT_TRUE(run_both(station, vehicle, [&] {
    offer_again();
    full_steps += step.disk_full;
    return full_steps >= 5;
  })) << vehicle_report.problem;
  const auto receipted = [&] {
    std::vector<std::string> all;
    for (const auto& digest : digests)
      if (!outbox.payload(digest)) all.push_back(digest);
    return all;
  };
  const auto acknowledged = receipted();
  EXPECT_GE(acknowledged.size(), static_cast<std::size_t>(kBefore));
  EXPECT_LT(acknowledged.size(), static_cast<std::size_t>(kAll)) << "the disk was never full";
  for (const bool held : durable(at / "state", folder / "copy", acknowledged))
    EXPECT_TRUE(held) << "acknowledged and not on the disk";

  fs::remove(at / "other-data");
  ASSERT_TRUE(run_both(station, vehicle, [&] {
    offer_again();
    return outbox.stats().labels == kAll && outbox.pending() == 0;
  })) << vehicle_report.problem;
  const auto stats = station.ledger().stats();
  ASSERT_EQ(stats.vehicles.size(), 1u);
  EXPECT_EQ(stats.vehicles[0].regions, kAll);
  EXPECT_EQ(stats.vehicles[0].labelled, kAll);
  EXPECT_FALSE(step.disk_full);
}

}  // namespace
}  // namespace driftloop::station::test
