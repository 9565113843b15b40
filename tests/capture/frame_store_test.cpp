#include "capture/frame_store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>
#include <random>
#include <thread>

#include "config/check.h"
#include "config/durable_file.h"
#include "tests/capture/capture_support.h"
#include "tests/capture/store_support.h"
#include "tests/support/temp_folder.h"

namespace driftloop::capture {
namespace {
namespace fs = std::filesystem;

TEST(FrameStoreTest, GivesBackWhatWasPutAcrossAReopen) {
  test::TempFolder folder;
  StoreOptions options = small_store(folder.path());
  options.format = "png";
  std::string id;
  {
    FrameStore store(options);
    id = put_ok(store, frame_of(scene_rgb(96, 64, 1), "berlin 000019/left", 7, 123456789));
    EXPECT_TRUE(store.set_asked(id, true));
    EXPECT_TRUE(store.set_feature(id, std::vector<float>{1, 2, 3}, "model 7"));
    EXPECT_TRUE(store.mark_unsent(id, 3));
    EXPECT_TRUE(store.mark_sent(id));
  }
  FrameStore store(options);
  EXPECT_EQ(store.repair().message, "");
  ASSERT_EQ(store.list().size(), 1U);
  const StoredFrame frame = store.list()[0];
  EXPECT_EQ(frame.id, "000000000000_berlin_000019_left");
  EXPECT_EQ(frame.id, id);
  EXPECT_EQ(frame.name, "berlin 000019/left");
  EXPECT_EQ(frame.captured_ns, 123456789);
  EXPECT_EQ(frame.width, 96);
  EXPECT_EQ(frame.height, 64);
  EXPECT_TRUE(frame.asked);
  EXPECT_EQ(frame.source, ValueSource::asked);
  EXPECT_EQ(frame.value, kAskedValue);
  EXPECT_EQ(frame.unsent, 2);
  EXPECT_EQ(cv::norm(store.load_rgb(id), scene_rgb(96, 64, 1), cv::NORM_INF), 0);
  EXPECT_TRUE(fs::exists(folder / "frames/000000000000_berlin_000019_left.png"));
}

TEST(FrameStoreTest, JpegIsCloseAndSmaller) {
  test::TempFolder folder;
  FrameStore store(small_store(folder.path()));
  cv::Mat smooth;
  cv::GaussianBlur(scene_rgb(320, 192, 2), smooth, {9, 9}, 3);
  const std::string id = put_ok(store, frame_of(smooth, "a"));
  EXPECT_LT(cv::norm(store.load_rgb(id), smooth, cv::NORM_L1) / double(smooth.total() * 3), 4.0);
  EXPECT_LT(store.find(id)->bytes, 320 * 192);
}

TEST(FrameStoreTest, UnknownIdsAreOrdinary) {
  test::TempFolder folder;
  FrameStore store(small_store(folder.path()));
  const std::string id = put_ok(store, frame_of(scene_rgb(32, 32, 0), "a"));
  for (const std::string& wrong : {std::string("nonsense"), std::string("000000000009_a"),
                                   std::string("000000000000_b"), std::string()}) {
    EXPECT_FALSE(store.find(wrong));
    EXPECT_FALSE(store.set_asked(wrong, true));
    EXPECT_FALSE(store.set_feature(wrong, std::vector<float>{1}, "m"));
    EXPECT_FALSE(store.mark_sent(wrong));
    EXPECT_TRUE(store.load_rgb(wrong).empty());
  }
  EXPECT_THROW(store.set_feature(id, std::vector<float>{NAN}, "m"), CheckError);
  EXPECT_THROW(store.set_feature(id, std::vector<float>{1}, ""), CheckError);
}

TEST(FrameStoreTest, SequencesAreNeverUsedTwice) {
  test::TempFolder folder;
  const StoreOptions options = small_store(folder.path());
  std::vector<std::string> ids;
  for (int run = 0; run < 3; ++run) {
    FrameStore store(options);
    ids.push_back(put_ok(store, frame_of(scene_rgb(32, 32, run), "same")));
    fs::remove(folder / ("frames/" + ids.back() + ".jpg"));  // the newest goes: its number must not come back
  }
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
}

TEST(FrameStoreTest, StaysUnderItsQuotaOnTheDisk) {
  test::TempFolder folder;
  StoreOptions options = small_store(folder.path(), 3'000'000);
  FrameStore store(options);
  for (int i = 0; i < 150; ++i) {
    put_ok(store, frame_of(noise_rgb(160, 96, static_cast<std::uint64_t>(i)), std::to_string(i)));
    ASSERT_LE(disk_usage(folder.path()), options.quota_bytes) << i;
  }
  EXPECT_GT(store.counters().evicted, 20U);
  EXPECT_LE(store.used_bytes(), options.quota_bytes);
  EXPECT_GT(disk_usage(folder.path()), options.quota_bytes * 7 / 10);  // and makes use of it
  EXPECT_EQ(store.list().back().name, "149");
  EXPECT_EQ(store.list().size(), std::distance(fs::directory_iterator(folder / "frames"), {}));
}

TEST(FrameStoreTest, UnsentFramesStayAndAStoreOfThemIsFull) {
  test::TempFolder folder;
  FrameStore store(small_store(folder.path(), 2'500'000));
  const cv::Mat image = noise_rgb(160, 96, 1);
  std::vector<std::string> ids;
  PutResult result;
  while ((result = store.put(frame_of(image, "n"))).status == PutStatus::stored) {
    ids.push_back(result.id);
    ASSERT_TRUE(store.mark_unsent(ids.back(), 2));
    ASSERT_LT(ids.size(), 1000U);
  }
  EXPECT_NE(result.message.find("not sent yet"), std::string::npos) << result.message;
  EXPECT_EQ(store.counters().evicted, 0U);
  store.mark_sent(ids[3]);  // one of its two
  EXPECT_EQ(store.put(frame_of(image, "n")).status, PutStatus::full);
  store.mark_sent(ids[3]);
  EXPECT_EQ(store.put(frame_of(image, "n")).status, PutStatus::stored);
  EXPECT_FALSE(store.find(ids[3]));
  EXPECT_EQ(store.list().size(), ids.size());
}

TEST(FrameStoreTest, RandomPinsAreNeverBroken) {
  test::TempFolder folder;
  FrameStore store(small_store(folder.path(), 2'500'000));
  std::mt19937 random(5);
  std::map<std::string, int> unsent;
  for (int i = 0; i < 400; ++i) {
    const PutResult result =
        store.put(frame_of(noise_rgb(120 + static_cast<int>(random() % 60), 90, random()), "n"));
    if (result.status == PutStatus::stored) {
      if (random() % 3 == 0) store.set_asked(result.id, true);
      if (random() % 3 == 0) {
        ASSERT_TRUE(store.mark_unsent(result.id));
        unsent[result.id] = 1;
      }
    }
    if (!unsent.empty() && random() % 4 == 0) {
      const auto it = std::next(unsent.begin(), static_cast<long>(random() % unsent.size()));
      ASSERT_TRUE(store.mark_sent(it->first));
      unsent.erase(it);
    }
    for (const auto& [id, count] : unsent) ASSERT_TRUE(store.find(id)) << id;
  }
  EXPECT_GT(store.counters().evicted, 50U);
}

TEST(FrameStoreTest, MistakesAreToldAtOpening) {
  test::TempFolder folder;
  StoreOptions options = small_store(folder.path());
  options.quota_bytes = options.ballast_bytes + 1000;
  EXPECT_THROW(FrameStore{options}, Error);
  EXPECT_THROW(FrameStore{small_store("/proc/nope")}, Error);
  const FrameStore first(small_store(folder.path()));
  try {
    FrameStore second(small_store(folder.path()));
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("another process"), std::string::npos) << error.what();
  }
}

TEST(FrameStoreTest, TwoThreadsShareIt) {
  test::TempFolder folder;
  FrameStore store(small_store(folder.path(), 2'500'000));
  std::atomic<bool> done{false};
  std::atomic<int> loaded{0};
  std::thread learner([&] {
    while (!done || loaded == 0)
      for (const StoredFrame& frame : store.list()) {
        const cv::Mat image = store.load_rgb(frame.id);
        if (image.empty()) continue;  // evicted meanwhile
        EXPECT_EQ(image.size(), cv::Size(frame.width, frame.height));
        store.set_asked(frame.id, frame.sequence % 7 == 0);
        store.set_feature(frame.id, std::vector<float>{1, float(frame.sequence)}, "m");
        ++loaded;
      }
  });
  for (int i = 0; i < 200; ++i)
    put_ok(store, frame_of(noise_rgb(160, 96, static_cast<std::uint64_t>(i)), "n"));
  done = true;
  learner.join();
  EXPECT_GT(loaded, 0);
  EXPECT_EQ(store.counters().stored, 200U);
  EXPECT_EQ(store.counters().damaged, 0U);
}

}  // namespace
}  // namespace driftloop::capture
