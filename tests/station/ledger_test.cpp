#include "station/ledger.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "config/check.h"
#include "config/durable_file.h"
#include "tests/station/truth.h"
#include "tests/support/temp_folder.h"
#include "uplink/outbox.h"

namespace driftloop::station::test {
namespace {
namespace fs = std::filesystem;
using uplink::StoreOutcome;

uplink::ArrivedRegion arrived(int n) {
  const auto item = uplink::outbound(numbered_request(n, "van-1"), 0);
  return {"van-1", item.digest, item.payload};
}
Answer refusal_of(const std::string& digest, const std::string& reason) {
  Answer answer;
  answer.vehicle_id = "van-1";
  answer.reply.request_digest = digest;
  answer.reply.reason = reason;
  return answer;
}

class LedgerTest : public testing::Test {
 protected:
  driftloop::test::TempFolder folder;
  fs::path file = folder / "ledger.sqlite";
};

TEST_F(LedgerTest, RegionsAndAnswersCountOnceAndNobodyGetsALentRequest) {
  Ledger ledger(file);
  const std::vector regions{arrived(1), arrived(2), arrived(1)};
  ASSERT_EQ(ledger.add(regions), StoreOutcome::done);
  const std::vector<std::string> digests{regions[0].digest, std::string(64, 'a')};
  EXPECT_EQ(ledger.known(digests), (std::vector<bool>{true, false}));
  const auto mine = ledger.lease("anna", 1);
  ASSERT_EQ(mine.size(), 1u);
  EXPECT_EQ(mine[0].digest, regions[0].digest);
  EXPECT_EQ(mine[0].region.frame_name, frame_name(1));
  const auto theirs = ledger.lease("bob", 5);
  ASSERT_EQ(theirs.size(), 1u);
  EXPECT_EQ(theirs[0].digest, regions[1].digest);
  ledger.release("bob");
  EXPECT_EQ(ledger.lease("carl", 5).size(), 1u);
  const std::vector answers{refusal_of(mine[0].digest, "first"), refusal_of(mine[0].digest, "second")};
  ASSERT_EQ(ledger.answer(answers), StoreOutcome::done);
  EXPECT_TRUE(ledger.lease("anna", 5).empty());
  const auto labels = ledger.labels_after("van-1", 0, 10);
  ASSERT_EQ(labels.size(), 1u);
  EXPECT_EQ(uplink::decode_label(labels[0].payload).value->reason, "first");
  EXPECT_TRUE(ledger.labels_after("van-2", 0, 10).empty());
  EXPECT_TRUE(ledger.labels_after("van-1", labels[0].row_id, 10).empty());
  using Status = uplink::LabelAck::Status;
  ASSERT_EQ(ledger.acknowledge("van-2", std::vector<uplink::LabelAck>{{mine[0].digest, Status::stored}}),
            StoreOutcome::done);
  EXPECT_EQ(ledger.labels_after("van-1", 0, 10).size(), 1u) << "another vehicle's word";
  ASSERT_EQ(ledger.acknowledge("van-1", std::vector<uplink::LabelAck>{{mine[0].digest, Status::stored}}),
            StoreOutcome::done);
  EXPECT_TRUE(ledger.labels_after("van-1", 0, 10).empty());
  const auto stats = ledger.stats();
  ASSERT_EQ(stats.vehicles.size(), 1u);
  EXPECT_EQ(stats.vehicles[0].regions, 2);
  EXPECT_EQ(stats.vehicles[0].waiting, 1);
  EXPECT_EQ(stats.vehicles[0].refused, 1);
  EXPECT_EQ(stats.vehicles[0].unacknowledged, 0);
  ASSERT_EQ(stats.refusals.size(), 1u);
  EXPECT_EQ(stats.refusals[0].reason, "first");
}

TEST_F(LedgerTest, BitFlipsAreFoundAndTheVehicleIsAnswered) {
  constexpr int kRegions = 40;
  std::set<std::string> all;
  {
    Ledger ledger(file);
    std::vector<uplink::ArrivedRegion> regions;
    for (int n = 0; n < kRegions; ++n) regions.push_back(arrived(n));
    for (const auto& region : regions) all.insert(region.digest);
    ASSERT_EQ(ledger.add(regions), StoreOutcome::done);
  }
  const std::string whole = config::read_file(file);
  std::mt19937 random(9);
  for (int round = 0; round < 40; ++round) {
    for (const auto& entry : fs::directory_iterator(folder.path())) fs::remove_all(entry.path());
    std::string flipped = whole;
    flipped[random() % flipped.size()] ^= static_cast<char>(1u << random() % 8);
    config::write_durably(file, flipped);
    std::set<std::string> leased;
    for (int start = 0; start < 3; ++start) {
      try {
        Ledger ledger(file);
        while (true) {
          const auto requests = ledger.lease("anna", 16);
          for (const auto& request : requests) leased.insert(request.digest);
          if (requests.empty()) break;
        }
        break;
      } catch (const Error& error) {
        ASSERT_LT(start, 2) << "flip " << round << ": " << error.what();
      }
    }
    for (const auto& digest : leased) EXPECT_TRUE(all.count(digest));
    EXPECT_GE(leased.size() + 1, all.size()) << "flip " << round;
  }
}

}  // namespace
}  // namespace driftloop::station::test
