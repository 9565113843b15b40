#include "uplink/outbox.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <thread>

#include "config/check.h"
#include "config/durable_file.h"
#include "tests/support/small_disk.h"
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

TEST_F(OutboxTest, SaysForWhichRegionsNoLabelCanCome) {
  const auto queued = outbound(make_request(1), 1), sent = outbound(make_request(2), 2),
             refused = outbound(make_request(3), 3), answered = outbound(make_request(4), 4);
  OutboundItem lying = outbound(make_request(5), 5);
  lying.digest = std::string(64, 'b');
  const std::string never_here(64, 'c');
  const std::vector<std::string> asked{queued.digest, sent.digest,  refused.digest,
                                       never_here,    lying.digest, answered.digest};
  for (int restart = 0; restart < 2; ++restart) {
    Outbox outbox(file);
    ASSERT_EQ(outbox.add(std::vector{queued, sent, refused, answered, lying}), StoreOutcome::done);
    ASSERT_EQ(outbox.mark_receipted(std::vector{sent.digest, answered.digest}), StoreOutcome::done);
    ASSERT_EQ(outbox.mark_refused(refused.digest, "not a region"), StoreOutcome::done);
    std::vector<LabelFate> fates;
    ASSERT_EQ(outbox.store_labels(std::vector{label_for(answered.digest)}, fates), StoreOutcome::done);
    EXPECT_FALSE(outbox.payload(lying.digest));
    EXPECT_EQ(outbox.unanswerable(asked), (std::vector{refused.digest, never_here, lying.digest}));
  }
  {
    SQLite::Database damage(file.string(), SQLite::OPEN_READWRITE);
    damage.exec("UPDATE inbox SET bytes='garbage'");
  }
  Outbox outbox(file);
  EXPECT_TRUE(outbox.labels_after(0).empty());
  EXPECT_EQ(outbox.unanswerable(asked),
            (std::vector{refused.digest, never_here, lying.digest, answered.digest}));
}

TEST_F(OutboxTest, MergedLabelsAreForgottenButForTheNewestAndStayExactlyOnce) {
  constexpr int kTooMany = 50;
  std::vector<OutboundItem> items;
  for (int n = 0; n < Outbox::kKeptMerged + kTooMany; ++n) items.push_back(outbound(make_request(n, 10), n));
  const auto unmerged = outbound(make_request(100'000, 10), 0);
  std::vector<std::string> digests;
  std::vector<ArrivedLabel> labels;
  for (const auto& item : items) digests.push_back(item.digest), labels.push_back(label_for(item.digest));
  std::vector<LabelFate> fates;
  std::int64_t last_row = 0;
  {
    Outbox outbox(file);
    ASSERT_EQ(outbox.add(items), StoreOutcome::done);
    ASSERT_EQ(outbox.mark_receipted(std::span(digests).subspan(1)), StoreOutcome::done);  // one is late
    ASSERT_EQ(outbox.store_labels(labels, fates), StoreOutcome::done);
    last_row = outbox.labels_after(0, items.size()).back().row_id;
    ASSERT_EQ(outbox.forget_merged(last_row - kTooMany), StoreOutcome::done);
    EXPECT_EQ(outbox.stats().labels, std::ssize(items)) << "less than is kept was merged";
    ASSERT_EQ(outbox.add(std::vector{unmerged}), StoreOutcome::done);
    for (int again = 0; again < 2; ++again) {
      ASSERT_EQ(outbox.forget_merged(last_row), StoreOutcome::done);
      EXPECT_EQ(outbox.stats().labels, Outbox::kKeptMerged);
    }
    ASSERT_EQ(outbox.store_labels(std::vector{label_for(unmerged.digest)}, fates), StoreOutcome::done);
    ASSERT_EQ(outbox.forget_merged(last_row), StoreOutcome::done);
    ASSERT_EQ(outbox.labels_after(last_row).size(), 1u) << "not merged yet";
  }
  Outbox outbox(file);
  EXPECT_EQ(outbox.stats().receipted, Outbox::kKeptMerged);
  EXPECT_EQ(outbox.pending(), 1) << "the late one is answered: it need not leave any more";
  EXPECT_FALSE(outbox.request(digests.front()));
  EXPECT_TRUE(outbox.request(digests.back()));
  EXPECT_EQ(SQLite::Database(file.string()).execAndGet("SELECT COUNT(*) FROM payloads").getInt(), 1);
  // The station repeats a label that was forgotten, and one that was kept.
  ASSERT_EQ(outbox.store_labels(std::vector{labels.front(), labels.back()}, fates), StoreOutcome::done);
  EXPECT_EQ(fates, (std::vector{LabelFate::unknown_request, LabelFate::duplicate}));
  const auto after = outbox.labels_after(last_row);
  ASSERT_EQ(after.size(), 1u) << "a label had its effect a second time";
  EXPECT_EQ(after[0].reply.request_digest, unmerged.digest);
}

TEST_F(OutboxTest, OnlyTheNewestRefusalsAreKept) {
  Outbox outbox(file);
  std::vector<OutboundItem> items;
  for (int n = 0; n < Outbox::kKeptRefused + 7; ++n) items.push_back(outbound(make_request(n, 10), n));
  ASSERT_EQ(outbox.add(items), StoreOutcome::done);
  for (const auto& item : items) ASSERT_EQ(outbox.mark_refused(item.digest, "no"), StoreOutcome::done);
  EXPECT_EQ(outbox.stats().refused, Outbox::kKeptRefused);
  EXPECT_FALSE(outbox.request(items[6].digest));
  EXPECT_TRUE(outbox.request(items[7].digest));
  const std::vector both{items[6].digest, items[7].digest};
  EXPECT_EQ(outbox.unanswerable(both), both);
  EXPECT_EQ(SQLite::Database(file.string()).execAndGet("SELECT COUNT(*) FROM payloads").getInt(),
            Outbox::kKeptRefused);
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

TEST_F(OutboxTest, AFullDiskLosesNothingAndHealsWhenThereIsSpace) {
  const fs::path at = folder / "disk";
  const driftloop::test::SmallDisk disk(at, "4m");
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
