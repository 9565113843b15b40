// The store against kills, flipped bits, lost files and full disks.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <random>
#include <set>

#include "capture/frame_store.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "tests/capture/capture_support.h"
#include "tests/capture/store_support.h"
#include "tests/support/small_disk.h"
#include "tests/support/temp_folder.h"

namespace driftloop::capture {
namespace {
namespace fs = std::filesystem;

Frame numbered(int i) {
  return frame_of(noise_rgb(120, 72, static_cast<std::uint64_t>(i)), "f" + std::to_string(i));
}

std::vector<std::string> fill(const StoreOptions& options, int frames) {
  FrameStore store(options);
  std::vector<std::string> ids;
  for (int i = 0; i < frames; ++i) {
    ids.push_back(put_ok(store, numbered(i)));
    store.set_asked(ids.back(), i % 3 == 0);
  }
  return ids;
}

/// Stores frames until it is killed; each acknowledged id goes down the pipe.
[[noreturn]] void write_until_killed(const StoreOptions& options, int pipe_fd) {
  try {
    FrameStore store(options);
    for (int i = 0;; ++i) {
      const PutResult result = store.put(numbered(i));
      if (result.status != PutStatus::stored) _exit(3);
      if (i % 5 == 0) store.set_feature(result.id, std::vector<float>{1, float(i)}, "m");
      const std::string line = result.id + '\n';
      if (::write(pipe_fd, line.data(), line.size()) < 0) _exit(4);
    }
  } catch (const std::exception&) {
    _exit(5);
  }
}

struct Killed {
  std::vector<std::string> acknowledged;
  int status = 0;
};
/// Kills the writer at a random moment after `after` acknowledged frames.
Killed run_and_kill(const StoreOptions& options, int after, std::mt19937& random) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    write_until_killed(options, ends[1]);
  }
  ::close(ends[1]);
  std::string text;
  char chunk[4096];
  ssize_t got = 0;
  bool killed = false;
  while ((got = ::read(ends[0], chunk, sizeof chunk)) > 0) {
    text.append(chunk, static_cast<std::size_t>(got));
    if (killed || std::count(text.begin(), text.end(), '\n') < after) continue;
    ::usleep(random() % 3000);  // the moment of the kill is what is random here
    ::kill(child, SIGKILL);
    killed = true;
  }
  ::close(ends[0]);
  Killed result;
  ::waitpid(child, &result.status, 0);
  for (std::size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    result.acknowledged.push_back(text.substr(at, end - at));
  return result;
}

TEST(StoreFaultTest, KilledAtRandomPointsNothingAcknowledgedIsLost) {
  test::TempFolder folder;
  const StoreOptions options = small_store(folder.path(), 100'000'000);
  std::mt19937 random(11);
  std::set<std::string> acknowledged;
  for (int round = 0; round < 40; ++round) {
    const Killed killed = run_and_kill(options, 1 + static_cast<int>(random() % 12), random);
    ASSERT_TRUE(WIFSIGNALED(killed.status)) << "the writer stopped by itself: " << WEXITSTATUS(killed.status);
    for (const std::string& id : killed.acknowledged) EXPECT_TRUE(acknowledged.insert(id).second) << id;
    FrameStore store(options);
    EXPECT_EQ(store.repair().lost_files, 0U);
    EXPECT_EQ(store.repair().dropped_rows, 0U);
    EXPECT_LE(store.repair().adopted, 1U);
    for (const std::string& id : killed.acknowledged) ASSERT_FALSE(store.load_rgb(id).empty()) << id;
    ASSERT_GE(store.list().size(), acknowledged.size());
  }
  EXPECT_GT(acknowledged.size(), 100U);
}

TEST(StoreFaultTest, KilledWhileEvictingTheStoreStaysWholeAndUnderQuota) {
  test::TempFolder folder;
  const StoreOptions options = small_store(folder.path(), 1'900'000);
  std::mt19937 random(12);
  for (int round = 0; round < 25; ++round) {
    const Killed killed = run_and_kill(options, 20 + static_cast<int>(random() % 40), random);
    ASSERT_TRUE(WIFSIGNALED(killed.status)) << WEXITSTATUS(killed.status);
    FrameStore store(options);
    EXPECT_EQ(store.repair().lost_files, 0U);
    EXPECT_LE(store.repair().dropped_rows, 1U);  // its file was deleted a moment before its row
    EXPECT_LE(disk_usage(folder.path()), options.quota_bytes);
    for (const StoredFrame& frame : store.list()) ASSERT_FALSE(store.load_rgb(frame.id).empty()) << frame.id;
    EXPECT_EQ(store.counters().damaged, 0U);
  }
}

TEST(StoreFaultTest, AMissingIndexIsMadeAgainFromTheFiles) {
  test::TempFolder folder;
  const StoreOptions options = small_store(folder.path());
  const auto ids = fill(options, 10);
  fs::remove(folder / "index.db");
  fs::remove(folder / "index.db-wal");
  FrameStore store(options);
  EXPECT_EQ(store.repair().adopted, 10U);
  EXPECT_NE(store.repair().message.find("10 files adopted"), std::string::npos);
  ASSERT_EQ(store.list().size(), 10U);
  EXPECT_EQ(store.list()[7].id, ids[7]);
  EXPECT_EQ(store.list()[7].name, "f7");
  EXPECT_FALSE(store.load_rgb(ids[7]).empty());
  EXPECT_GT(put_ok(store, numbered(99)), ids[9]);
}

TEST(StoreFaultTest, FlippedBitsAndCutsInTheIndexLoseNoFrame) {
  test::TempFolder folder;
  const StoreOptions options = small_store(folder.path());
  fill(options, 30);
  const std::string good = config::read_file(folder / "index.db");
  std::mt19937 random(3);
  std::uint64_t set_aside = 0, rows_mended = 0;
  for (int round = 0; round < 150; ++round) {
    std::string bad = good;
    if (round % 10 == 9)
      bad.resize(random() % bad.size());
    else
      for (int flips = 1 + static_cast<int>(random() % 3); flips > 0; --flips)
        bad[random() % (round % 2 ? bad.size() : 200)] ^= static_cast<char>(1 << (random() % 8));
    fs::remove(folder / "index.db-wal");
    write_text(folder / "index.db", bad);
    FrameStore store(options);
    ASSERT_EQ(store.list().size(), 30U) << "round " << round << ": " << store.repair().message;
    for (const StoredFrame& frame : store.list()) {
      ASSERT_EQ(frame.name, "f" + std::to_string(frame.sequence)) << round;
      // A mark is the one that was set, or gone after a repair; never one that was not set.
      ASSERT_TRUE(!frame.asked || frame.sequence % 3 == 0) << round;
    }
    set_aside += store.repair().message.find("set aside") != std::string::npos;
    rows_mended += store.repair().dropped_rows;
    put_ok(store, frame_of(scene_rgb(32, 32, 1), "x"));
    const auto last = store.list().back();
    fs::remove(folder / ("frames/" + last.id + ".jpg"));
  }
  EXPECT_GT(set_aside, 20U);
  EXPECT_GT(rows_mended, 10U);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder / "frames"), {}), 30);
}

TEST(StoreFaultTest, DamagedFramesAreFoundAndNeverDeleted) {
  test::TempFolder folder;
  const StoreOptions options = small_store(folder.path());
  const auto ids = fill(options, 8);
  std::string one = config::read_file(folder / ("frames/" + ids[1] + ".jpg"));
  one[one.size() / 2] ^= 4;  // one flipped bit: most decoders would show it without a word
  write_text(folder / ("frames/" + ids[1] + ".jpg"), one);
  fs::resize_file(folder / ("frames/" + ids[2] + ".jpg"), 500);  // cut short by a power cut
  fs::resize_file(folder / ("frames/" + ids[3] + ".jpg"), 0);
  fs::remove(folder / ("frames/" + ids[4] + ".jpg"));
  write_text(folder / "frames/.000000000099_x.jpg.tmp", "half");
  write_text(folder / "frames/notes.txt", "somebody's notes");
  write_picture(folder / "frames/holiday.png", scene_rgb(40, 30, 1));
  FrameStore store(options);
  EXPECT_EQ(store.repair().dropped_rows, 3U);
  EXPECT_EQ(store.repair().lost_files, 2U);
  EXPECT_EQ(store.repair().adopted, 1U);
  EXPECT_EQ(store.list().size(), 6U);
  EXPECT_EQ(store.list().back().name, "holiday");
  EXPECT_FALSE(fs::exists(folder / "frames/.000000000099_x.jpg.tmp")) << "a crash's temporary file";
  EXPECT_EQ(cv::norm(store.load_rgb(store.list().back().id), scene_rgb(40, 30, 1), cv::NORM_INF), 0);
  EXPECT_TRUE(fs::exists(folder / ("lost+found/" + ids[2] + ".jpg")));
  EXPECT_EQ(config::read_file(folder / "lost+found/notes.txt"), "somebody's notes");
  EXPECT_TRUE(store.load_rgb(ids[1]).empty());
  EXPECT_EQ(store.counters().damaged, 1U);
  EXPECT_EQ(config::read_file(folder / ("lost+found/" + ids[1] + ".jpg")), one);
  EXPECT_FALSE(store.find(ids[1]));
  EXPECT_FALSE(store.load_rgb(ids[0]).empty());
}

TEST(StoreFaultTest, AFileThatVanishesUnderARunningStoreIsOrdinary) {
  test::TempFolder folder;
  FrameStore store(small_store(folder.path()));
  const std::string id = put_ok(store, numbered(0));
  fs::remove(folder / ("frames/" + id + ".jpg"));
  EXPECT_TRUE(store.load_rgb(id).empty());
  EXPECT_TRUE(store.list().empty());
  put_ok(store, numbered(1));
}

TEST(StoreFaultTest, ARealFailureIsSticky) {
  test::TempFolder folder;
  FrameStore store(small_store(folder.path()));
  put_ok(store, numbered(0));
  fs::remove_all(folder / "frames");
  write_text(folder / "frames", "a file where the folder was");
  std::string first;
  try {
    (void)store.put(numbered(1));
    FAIL();
  } catch (const Error& error) {
    first = error.what();
  }
  try {
    (void)store.list();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.what(), first);
  }
}

TEST(StoreFaultTest, AFullDiskIsOrdinaryAndPasses) {
  test::TempFolder folder;
  const test::SmallDisk disk(folder.path(), "6m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not allowed here (needs root)";
  const StoreOptions options = small_store(folder / "store", 5'000'000);
  FrameStore store(options);
  for (int i = 0; i < 60; ++i) put_ok(store, numbered(i));
  std::size_t refused = 0;
  for (int round = 0; round < 40; ++round) {
    const auto before = store.list().size();
    test::take_all_space(folder / "others");
    for (int i = 0; i < 12; ++i) refused += store.put(numbered(1000 + i)).status == PutStatus::full;
    // Others filling the disk must not eat the store: frames take turns, their number hardly falls.
    EXPECT_GE(store.list().size() + 4, before) << round;
    for (const StoredFrame& frame : store.list())
      EXPECT_TRUE(store.set_asked(frame.id, frame.sequence % 2 == 0));
    fs::remove(folder / "others");
    const std::string id = put_ok(store, numbered(round));  // goes on at once
    EXPECT_FALSE(store.load_rgb(id).empty());
    ASSERT_LE(disk_usage(folder / "store"), options.quota_bytes);
  }
  // The disk was really full: each frame then took the place of an old one, or was refused.
  EXPECT_GT(refused + store.counters().evicted_by_disk, 40U);
  EXPECT_EQ(store.counters().damaged, 0U);
}

TEST(StoreFaultTest, AStoreOpensOnAFullDiskAndKeepsWhatIsThere) {
  test::TempFolder folder;
  const test::SmallDisk disk(folder.path(), "6m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not allowed here (needs root)";
  const StoreOptions options = small_store(folder / "store", 5'000'000);
  const auto ids = fill(options, 30);
  test::take_all_space(folder / "others");
  {
    FrameStore store(options);
    EXPECT_EQ(store.list().size(), 30U);
    EXPECT_FALSE(store.load_rgb(ids[9]).empty());
    EXPECT_TRUE(store.mark_unsent(ids[9]));
  }
  fs::remove(folder / "others");
  FrameStore store(options);
  EXPECT_EQ(store.list().size(), 30U);
  EXPECT_EQ(store.find(ids[9])->unsent, 1);
}

TEST(StoreFaultTest, AQuotaLargerThanTheDiskLivesWithinTheDisk) {
  test::TempFolder folder;
  const test::SmallDisk disk(folder.path(), "3m");
  if (!disk.mounted()) GTEST_SKIP() << "mounting a tmpfs is not allowed here (needs root)";
  FrameStore store(small_store(folder / "store", 50'000'000));
  std::size_t stored = 0;
  for (int i = 0; i < 300; ++i) stored += store.put(numbered(i)).status == PutStatus::stored;
  EXPECT_GE(stored, 280U);  // the oldest make room for the newest, as under a quota
  EXPECT_GT(store.counters().evicted_by_disk, 50U);
  EXPECT_EQ(store.list().back().name, "f299");
}

}  // namespace
}  // namespace driftloop::capture
