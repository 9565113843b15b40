#include "uplink/outbox.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <thread>

#include "config/check.h"
#include "config/durable_file.h"
#include "tests/uplink/link_fixture.h"

namespace driftloop::uplink {
namespace {
namespace fs = std::filesystem;
using test::make_request;

ArrivedLabel label_for(const std::string& request_digest, const std::string& reason = "too dark") {
  LabelReply reply;
  reply.request_digest = request_digest;
  reply.reason = reason;
  return {request_digest, encode(reply)};
}

class OutboxTest : public testing::Test {
 protected:
  driftloop::test::TempFolder folder;
  fs::path file = folder / "outbox.sqlite";
};

TEST_F(OutboxTest, AnItemIsKnownByItsDigestWhateverItsState) {
  const auto item = outbound(make_request(1), 5);
  Outbox outbox(file);
  ASSERT_EQ(outbox.add(std::vector{item, item}), StoreOutcome::done);
  EXPECT_EQ(outbox.pending(), 1);
  ASSERT_EQ(outbox.mark_receipted(std::vector{item.digest}), StoreOutcome::done);
  ASSERT_EQ(outbox.add(std::vector{item}), StoreOutcome::done);
  EXPECT_EQ(outbox.pending(), 0);
  EXPECT_FALSE(outbox.payload(item.digest));
  const auto meta = outbox.request(item.digest);
  ASSERT_TRUE(meta);
  EXPECT_EQ(meta->frame_name, "frame_1");
  EXPECT_EQ(meta->box, item.meta.box);
}

TEST_F(OutboxTest, ARandomHistoryAgreesWithAModelAcrossRestarts) {
  std::mt19937 random(11);
  std::map<std::string, double> queued;  // the model
  std::set<std::string> receipted;
  auto outbox = std::make_unique<Outbox>(file);
  int made = 0;
  for (int step = 0; step < 300; ++step) {
    switch (random() % 5) {
      case 0:
      case 1: {
        std::vector<OutboundItem> items;
        for (unsigned n = random() % 6; n > 0; --n)
          items.push_back(outbound(make_request(made++, 50), static_cast<double>(random() % 7)));
        ASSERT_EQ(outbox->add(items), StoreOutcome::done);
        for (const auto& item : items) queued[item.digest] = item.value;
        break;
      }
      case 2: {
        std::vector<std::string> done;
        for (const auto& item : outbox->next_by_value(random() % 4)) done.push_back(item.digest);
        ASSERT_EQ(outbox->mark_receipted(done), StoreOutcome::done);
        for (const auto& digest : done) EXPECT_EQ(queued.erase(digest), 1u) << "sent twice";
        receipted.insert(done.begin(), done.end());
        break;
      }
      case 3:
        outbox = nullptr;
        outbox = std::make_unique<Outbox>(file);
        break;
      default: {
        const auto items = outbox->next_by_value(1000);
        ASSERT_EQ(items.size(), queued.size());
        EXPECT_TRUE(std::is_sorted(items.begin(), items.end(),
                                   [](const auto& a, const auto& b) { return a.value > b.value; }));
        for (const auto& item : items) EXPECT_EQ(queued.at(item.digest), item.value);
      }
    }
    EXPECT_EQ(outbox->pending(), static_cast<std::int64_t>(queued.size()));
    EXPECT_EQ(outbox->stats().receipted, static_cast<std::int64_t>(receipted.size()));
  }
}

TEST_F(OutboxTest, LabelsAreStoredOnceAndReadFromWhereTheConsumerWas) {
  Outbox outbox(file);
  std::vector<OutboundItem> items;
  for (int n = 0; n < 3; ++n) items.push_back(outbound(make_request(n), n));
  ASSERT_EQ(outbox.add(items), StoreOutcome::done);
  std::vector<LabelFate> fates;
  const std::vector<ArrivedLabel> labels = {label_for(items[0].digest),
                                            label_for(items[0].digest, "another"),
                                            label_for(std::string(64, 'c')),
                                            {items[1].digest, "garbage"}};
  ASSERT_EQ(outbox.store_labels(labels, fates), StoreOutcome::done);
  using enum LabelFate;
  EXPECT_EQ(fates, (std::vector<LabelFate>{stored, duplicate, unknown_request, malformed}));
  ASSERT_EQ(outbox.store_labels(std::vector{label_for(items[2].digest)}, fates), StoreOutcome::done);
  const auto all = outbox.labels_after(0);
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].reply.reason, "too dark");
  const auto rest = outbox.labels_after(all[0].row_id);
  ASSERT_EQ(rest.size(), 1u);
  EXPECT_EQ(rest[0].reply.request_digest, items[2].digest);
}

TEST_F(OutboxTest, ManyThreadsAddWhileOneSends) {
  Outbox outbox(file);
  std::vector<std::jthread> producers;
  for (int t = 0; t < 3; ++t)
    producers.emplace_back([&outbox, t] {
      for (int n = 0; n < 30; ++n)
        EXPECT_EQ(outbox.add(std::vector{outbound(make_request(t * 1000 + n, 50), n)}), StoreOutcome::done);
    });
  std::int64_t sent = 0;
  while (sent < 90) {
    std::vector<std::string> digests;
    for (const auto& item : outbox.next_by_value(8)) {
      EXPECT_TRUE(outbox.payload(item.digest));
      digests.push_back(item.digest);
    }
    ASSERT_EQ(outbox.mark_receipted(digests), StoreOutcome::done);
    sent += static_cast<std::int64_t>(digests.size());
  }
  EXPECT_EQ(outbox.stats().receipted, 90);
  EXPECT_EQ(outbox.pending(), 0);
}

TEST_F(OutboxTest, AnotherProgramsFileIsLeftAlone) {
  {
    SQLite::Database other(file.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE);
    other.exec("CREATE TABLE precious(x)");
  }
  EXPECT_THROW(Outbox outbox(file), Error);
  SQLite::Database other(file.string());
  EXPECT_TRUE(other.tableExists("precious"));
  EXPECT_FALSE(other.tableExists("outbox"));
}

TEST_F(OutboxTest, AFailedDatabaseStaysFailed) {
  Outbox outbox(file);
  {
    SQLite::Database other(file.string(), SQLite::OPEN_READWRITE);
    other.exec("DROP TABLE payloads");
  }
  const std::vector items{outbound(make_request(1), 1)};
  std::string first, second;
  try {
    (void)outbox.add(items);
  } catch (const Error& error) {
    first = error.what();
  }
  EXPECT_NE(first.find("queueing regions"), std::string::npos) << first;
  try {
    (void)outbox.stats();
  } catch (const Error& error) {
    second = error.what();
  }
  EXPECT_EQ(first, second);
}

/// Everything that can still be sent, taken as a sender would: never more than a bounded number of calls.
std::set<std::string> drain(Outbox& outbox) {
  std::set<std::string> sent;
  for (int turn = 0; turn < 1000; ++turn) {
    const auto next = outbox.next_by_value(1);
    if (next.empty()) return sent;
    const auto payload = outbox.payload(next[0].digest);
    if (!payload) continue;  // set aside: the next call must bring another
    EXPECT_EQ(digest_of(*payload), next[0].digest);
    sent.insert(next[0].digest);
    if (outbox.mark_receipted(std::vector{next[0].digest}) == StoreOutcome::done) continue;
    ADD_FAILURE() << "no room to mark a receipt";
    return sent;
  }
  ADD_FAILURE() << "the queue is stuck";
  return sent;
}

TEST_F(OutboxTest, BitFlipsAreFoundAndCostAtMostTheirOwnRecords) {
  constexpr int kItems = 40;
  std::set<std::string> all;
  {
    Outbox outbox(file);
    std::vector<OutboundItem> items;
    for (int n = 0; n < kItems; ++n) items.push_back(outbound(make_request(n, 9000), n));
    for (const auto& item : items) all.insert(item.digest);
    ASSERT_EQ(outbox.add(items), StoreOutcome::done);
  }
  const std::string whole = config::read_file(file);
  std::mt19937 random(5);
  int lost_most = 0, restarts = 0;
  for (int round = 0; round < 60; ++round) {
    for (const auto& entry : fs::directory_iterator(folder.path())) fs::remove_all(entry.path());
    std::string flipped = whole;
    flipped[random() % flipped.size()] ^= static_cast<char>(1u << random() % 8);
    config::write_durably(file, flipped);
    std::set<std::string> sent;
    std::int64_t counted = 0;
    // A damaged page is a failed store once; the next start saves what can be read.
    for (int start = 0; start < 3; ++start) {
      try {
        Outbox outbox(file);
        sent.merge(drain(outbox));
        counted = outbox.stats().quarantined;
        break;
      } catch (const Error&) {
        ++restarts;
        ASSERT_LT(start, 2) << "flip " << round << " is not got over by a restart";
      }
    }
    for (const auto& digest : sent)
      EXPECT_TRUE(all.count(digest)) << "something that was never queued was sent";
    const int lost = kItems - static_cast<int>(sent.size());
    lost_most = std::max(lost_most, lost);
    EXPECT_LE(counted, 1);
  }
  EXPECT_LE(lost_most, 1);
  RecordProperty("restarts", restarts);
}

/// A file system of 4 MiB, so that "full" is real.
class SmallDisk {
 public:
  explicit SmallDisk(const fs::path& at) : at_(at) {
    fs::create_directories(at_);
    mounted_ = ::mount("tmpfs", at_.c_str(), "tmpfs", 0, "size=4m") == 0;
  }
  ~SmallDisk() {
    if (mounted_) ::umount(at_.c_str());
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  bool mounted() const { return mounted_; }

 private:
  fs::path at_;
  bool mounted_ = false;
};

TEST_F(OutboxTest, AFullDiskLosesNothingAndHealsWhenThereIsSpace) {
  const fs::path at = folder / "disk";
  SmallDisk disk(at);
  if (!disk.mounted()) GTEST_SKIP() << "this process may not mount a tmpfs (needs root)";
  std::set<std::string> accepted;
  Outbox outbox(at / "outbox.sqlite");
  config::write_durably(at / "other-data", std::string(1'000'000, 'x'));
  OutboundItem refused;
  for (int n = 0; n < 1000 && refused.digest.empty(); ++n) {
    const auto item = outbound(make_request(n, 20'000), n);
    if (outbox.add(std::vector{item}) == StoreOutcome::done)
      accepted.insert(item.digest);
    else
      refused = item;
  }
  ASSERT_FALSE(refused.digest.empty()) << "the disk never became full";
  ASSERT_GT(accepted.size(), 3u);
  EXPECT_EQ(outbox.pending(), static_cast<std::int64_t>(accepted.size()));
  fs::remove(at / "other-data");
  ASSERT_EQ(outbox.add(std::vector{refused}), StoreOutcome::done);
  accepted.insert(refused.digest);
  EXPECT_EQ(drain(outbox), accepted);
}

}  // namespace
}  // namespace driftloop::uplink
