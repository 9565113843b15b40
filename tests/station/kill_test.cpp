// R1 at the size of CI: vehicle and station are killed at random points; every region and every label is
// there once in the end, and nothing that was receipted is missing.
#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <thread>

#include "config/durable_file.h"
#include "station/ledger.h"
#include "station/station.h"
#include "tests/station/processes.h"
#include "tests/station/truth.h"
#include "tests/support/temp_folder.h"
#include "uplink/digest.h"
#include "uplink/keys.h"
#include "uplink/outbox.h"

namespace driftloop::station::test {
namespace {
namespace fs = std::filesystem;

constexpr int kRegions = 1500;
constexpr int kKills = 60;

class KillTest : public testing::Test {
 protected:
  KillTest() {
    uplink::save_keys(uplink::generate_keys(), folder / "keys", "station");
    uplink::save_keys(uplink::generate_keys(), folder / "keys", "van-1");
    fs::create_directories(folder / "allow");
    fs::create_directories(folder / "vehicle");
    fs::copy_file(folder / "keys" / "van-1.pub", folder / "allow" / "van-1.pub");
    write_truth(folder / "truth");
  }

  std::unique_ptr<Child> start_station(const std::string& bind) {
    return std::make_unique<Child>(
        std::vector<std::string>{
            DRIFTLOOP_STATION_PROGRAM, "run", "--state", (folder / "state").string(), "--bind", bind, "--key",
            (folder / "keys" / "station.key").string(), "--allow", (folder / "allow").string(), "--oracle",
            (folder / "truth").string(), "--endpoint-file", (folder / "endpoint").string()},
        folder / "station.log");
  }
  std::unique_ptr<Child> start_vehicle(const std::string& endpoint) {
    return std::make_unique<Child>(
        std::vector<std::string>{DRIFTLOOP_VEHICLE_DRIVER, (folder / "vehicle").string(), endpoint,
                                 (folder / "keys" / "van-1.key").string(),
                                 (folder / "keys" / "station.pub").string(), "van-1",
                                 std::to_string(kRegions)},
        folder / "vehicle.log");
  }
  std::string logs() const {
    return "station:\n" + config::read_file(folder / "station.log") + "vehicle:\n" +
           (fs::exists(folder / "vehicle.log") ? config::read_file(folder / "vehicle.log") : "");
  }
  std::string wait_for_endpoint(Child& station) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!fs::exists(folder / "endpoint")) {
      if (station.has_ended() || std::chrono::steady_clock::now() > end) return {};
      std::this_thread::yield();
    }
    std::string endpoint = config::read_file(folder / "endpoint");
    endpoint.pop_back();
    return endpoint;
  }

  driftloop::test::TempFolder folder;
};

TEST_F(KillTest, EveryRegionAndLabelOnceWhoeverIsKilledWhenever) {
  auto station = start_station("tcp://127.0.0.1:*");
  const std::string endpoint = wait_for_endpoint(*station);
  ASSERT_FALSE(endpoint.empty()) << logs();
  auto vehicle = start_vehicle(endpoint);
  std::mt19937 random(3);
  int kills = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(150);
  while (kills < kKills && !vehicle->has_ended() && std::chrono::steady_clock::now() < end) {
    // The random instant of a kill is what is tested here, not something that is waited for.
    std::this_thread::sleep_for(std::chrono::milliseconds(10 + random() % 190));
    ++kills;
    if (random() % 2 == 0) {
      station->stop(SIGKILL);
      fs::remove(folder / "endpoint");
      station = start_station(endpoint);
    } else {
      vehicle->stop(SIGKILL);
      vehicle = start_vehicle(endpoint);
    }
  }
  while (!vehicle->has_ended() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  ASSERT_TRUE(vehicle->has_ended()) << "not done after " << kills << " kills\n" << logs();
  ASSERT_EQ(vehicle->status(), 0) << logs();
  EXPECT_EQ(kills, kKills) << "the vehicle was done too early for this test to mean anything";

  uplink::Outbox outbox(folder / "vehicle" / "outbox.sqlite");
  const auto stats = outbox.stats();
  EXPECT_EQ(stats.receipted, kRegions);
  EXPECT_EQ(stats.queued, 0);
  EXPECT_EQ(stats.quarantined, 0);
  std::map<std::string, int> labels;
  for (const auto& label : outbox.labels_after(0, 10 * kRegions)) {
    ++labels[label.reply.request_digest];
    EXPECT_EQ(label.reply.outcome, uplink::LabelReply::Outcome::labelled) << label.reply.reason;
  }
  ASSERT_FALSE(wait_for_endpoint(*station).empty()) << logs();
  EXPECT_EQ(station->stop(SIGTERM), 0) << logs();
  SQLite::Database ledger(ledger_file(folder / "state").string());
  EXPECT_EQ(ledger.execAndGet("SELECT COUNT(*) FROM regions").getInt(), kRegions);
  EXPECT_EQ(ledger.execAndGet("SELECT COUNT(*) FROM labels").getInt(), kRegions);
  for (int n = 0; n < kRegions; ++n) {
    const std::string digest = uplink::outbound(numbered_request(n, "van-1"), 0).digest;
    EXPECT_EQ(labels[digest], 1) << n;
    EXPECT_EQ(ledger.execAndGet("SELECT COUNT(*) FROM regions WHERE digest='" + digest + "'").getInt(), 1)
        << n;
  }
}

TEST_F(KillTest, ASecondStationOnOneStateFolderIsRefusedInOneLine) {
  auto first = start_station("tcp://127.0.0.1:*");
  ASSERT_FALSE(wait_for_endpoint(*first).empty()) << logs();
  auto second = start_station("tcp://127.0.0.1:*");
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!second->has_ended() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  ASSERT_TRUE(second->has_ended());
  EXPECT_EQ(second->status(), 1);
  EXPECT_NE(logs().find("is in use by another driftloop-station"), std::string::npos) << logs();
}

}  // namespace
}  // namespace driftloop::station::test
