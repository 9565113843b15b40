#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "adapt/data/streetsim/streetsim.h"
#include "config/check.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {

Streetsim tiny() {
  StreetsimOptions o;
  o.width = 96, o.height = 64;
  return Streetsim(o);
}

std::string refusal(const std::filesystem::path& folder, const WriteDriveOptions& o) {
  try {
    write_drive(tiny(), folder, o);
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(WriteDrive, FilesHoldTheFrames) {
  const test::TempFolder folder;
  const Streetsim sim = tiny();
  std::vector<std::int64_t> calls;
  WriteDriveOptions o{.first = 7, .count = 3, .stride = 20, .name = "north", .image_format = "png"};
  o.progress = [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(total, 3);
    calls.push_back(done);
  };
  write_drive(sim, folder / "drive", o);
  EXPECT_THAT(calls, testing::ElementsAre(1, 2, 3));
  for (int i = 0; i < 3; ++i) {
    const std::string name = "north_00000" + std::to_string(i) + ".png";
    const StreetFrame frame = sim.frame(7 + 20 * i);
    cv::Mat image = cv::imread((folder / "drive" / "images" / name).string(), cv::IMREAD_COLOR);
    const cv::Mat label = cv::imread((folder / "drive" / "labels" / name).string(), cv::IMREAD_UNCHANGED);
    ASSERT_FALSE(image.empty());
    cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
    ASSERT_EQ(label.type(), CV_8UC1);
    EXPECT_EQ(cv::norm(image, frame.image_rgb, cv::NORM_INF), 0);
    EXPECT_EQ(cv::norm(label, frame.label, cv::NORM_INF), 0);
  }
}

TEST(WriteDrive, JpegIsNearlyTheFrame) {
  const test::TempFolder folder;
  write_drive(tiny(), folder.path(), {.count = 1});
  cv::Mat image = cv::imread((folder / "images" / "frame_000000.jpg").string(), cv::IMREAD_COLOR);
  ASSERT_FALSE(image.empty());
  cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  EXPECT_LT(cv::norm(image, tiny().frame(0).image_rgb, cv::NORM_L1) / double(image.total() * 3), 6);
}

TEST(WriteDrive, OptionsThatMakeNoSenseAreRefused) {
  const test::TempFolder folder;
  EXPECT_THAT(refusal(folder.path(), {.count = 0}), testing::HasSubstr("count is 0"));
  EXPECT_THAT(refusal(folder.path(), {.stride = 0}), testing::HasSubstr("stride is 0"));
  EXPECT_THAT(refusal(folder.path(), {.image_format = "bmp"}), testing::HasSubstr("'bmp'"));
  EXPECT_THAT(refusal(folder.path(), {.name = "a/b"}), testing::HasSubstr("'a/b'"));
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(WriteDrive, AFolderThatCannotBeMadeIsNamed) {
  const test::TempFolder folder;
  std::ofstream(folder / "taken") << "a file";
  EXPECT_THAT(refusal(folder / "taken", {.count = 1}), testing::HasSubstr("taken"));
}

}  // namespace
}  // namespace driftloop::adapt
