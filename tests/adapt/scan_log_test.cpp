#include "adapt/acquisition/scan_log.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>

#include "config/durable_file.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {
namespace fs = std::filesystem;

Scan scan_of(int frame) {
  return {{"a.b", at::arange(frame, frame + 5)}, {"half", at::full({2, 3}, frame, at::kHalf)}};
}

RoundPlan a_plan() {
  Region guard;
  guard.frame_id = "f1";
  guard.box_px = {3, 4, 64, 64};
  guard.score = 0.1 + 0.2;
  return {.budget = {.pixels = 1L << 40, .regions = 0},
          .frames = {{"f0", "drive", {1280, 720}}, {"f1", "", {33, 34}}},
          .guard = {guard}};
}

class ScanLogTest : public testing::Test {
 protected:
  /// Two chunks of two frames and one frame that was saved at the stop.
  void fill() const {
    ScanLog log(folder_.path(), "key", 2);
    log.begin(a_plan());
    for (int frame = 0; frame < 5; ++frame) log.add(static_cast<std::size_t>(frame), scan_of(frame));
    log.save();
    EXPECT_EQ(log.problem(), "");
  }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(folder_.path()), fs::directory_iterator()));
  }
  static void flip(const fs::path& file, std::int64_t from_end) {
    std::string content = config::read_file(file);
    content[content.size() - static_cast<std::size_t>(from_end)] ^= 4;
    config::write_durably(file, content);
  }

  test::TempFolder folder_;
};

TEST_F(ScanLogTest, GivesBackWhatWasAdded) {
  fill();
  ScanLog log(folder_.path(), "key", 2);
  ASSERT_TRUE(log.plan());
  EXPECT_EQ(log.plan()->budget, a_plan().budget) << "an absent limit comes back absent, and 0 as 0";
  ASSERT_EQ(log.plan()->frames.size(), 2U);
  EXPECT_EQ(log.plan()->frames[0].group, "drive");
  EXPECT_EQ(log.plan()->frames[0].size_px, cv::Size(1280, 720));
  ASSERT_EQ(log.plan()->guard.size(), 1U);
  EXPECT_EQ(log.plan()->guard[0].score, 0.1 + 0.2) << "to the last bit";
  EXPECT_EQ(log.found(), 5);
  for (int frame = 0; frame < 5; ++frame) {
    const auto scan = log.take(static_cast<std::size_t>(frame));
    ASSERT_TRUE(scan) << frame;
    for (const auto& [name, tensor] : scan_of(frame)) EXPECT_TRUE(scan->at(name).equal(tensor)) << name;
    EXPECT_FALSE(log.take(static_cast<std::size_t>(frame))) << "handed out once";
  }
}

TEST_F(ScanLogTest, AnEmptyScanIsAScan) {
  {
    ScanLog log(folder_.path(), "key", 1);
    log.begin(a_plan());
    log.add(0, {});
  }
  ScanLog log(folder_.path(), "key", 1);
  const auto scan = log.take(0);
  ASSERT_TRUE(scan);
  EXPECT_TRUE(scan->empty());
}

TEST_F(ScanLogTest, WhatIsOfAnotherRoundIsDeleted) {
  fill();
  ScanLog log(folder_.path(), "another key", 2);
  EXPECT_FALSE(log.plan());
  EXPECT_FALSE(log.take(0));
  EXPECT_EQ(files(), 0U);
}

TEST_F(ScanLogTest, AChunkOfAnEarlierPlanIsDeleted) {
  fill();
  fs::copy_file(folder_ / "scans_000001.safetensors", folder_ / "kept");
  {
    ScanLog log(folder_.path(), "key", 2);
    log.clear();
    auto plan = a_plan();
    plan.budget.regions = 4;
    log.begin(plan);
  }
  fs::rename(folder_ / "kept", folder_ / "scans_000001.safetensors");
  ScanLog log(folder_.path(), "key", 2);
  EXPECT_TRUE(log.plan());
  EXPECT_EQ(log.found(), 0);
  EXPECT_EQ(files(), 1U);
}

TEST_F(ScanLogTest, ADamagedChunkCostsItsFramesAndIsDeleted) {
  fill();
  flip(folder_ / "scans_000001.safetensors", 3);  // in the data: the format itself would not notice
  std::ofstream(folder_ / ".scans_000007.safetensors.tmp99") << "half a chunk";
  ScanLog log(folder_.path(), "key", 2);
  EXPECT_EQ(log.found(), 3);
  EXPECT_FALSE(log.take(2));
  EXPECT_TRUE(log.take(4));
  EXPECT_EQ(files(), 3U);
  log.add(2, scan_of(2));
  log.add(3, scan_of(3));
  EXPECT_EQ(ScanLog(folder_.path(), "key", 2).found(), 5);
}

TEST_F(ScanLogTest, ADamagedPlanIsNone) {
  for (const std::int64_t from_end : {5, 400}) {
    fill();
    flip(folder_ / "plan.json",
         std::min<std::int64_t>(from_end, static_cast<std::int64_t>(fs::file_size(folder_ / "plan.json"))));
    EXPECT_FALSE(ScanLog(folder_.path(), "key", 2).plan());
    EXPECT_EQ(files(), 0U);
  }
}

TEST_F(ScanLogTest, LeavesWhatIsNotItsOwn) {
  fill();
  std::ofstream(folder_ / "somebody's") << "x";
  ScanLog(folder_.path(), "key", 2).clear();
  EXPECT_EQ(files(), 1U);
}

}  // namespace
}  // namespace driftloop::adapt
