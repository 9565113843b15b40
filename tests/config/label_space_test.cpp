#include "config/label_space.h"

#include <gtest/gtest.h>

#include <opencv2/core.hpp>

#include "config/check.h"

namespace driftloop::config {
namespace {

TEST(LabelSpaceTest, EveryFoldEndsInAScoredClass) {
  for (const auto& name : label_space_names()) {
    const LabelSpace& space = label_space(name);
    for (int id = 0; id < 256; ++id) {
      const int folded = space.fold[static_cast<std::size_t>(id)];
      if (folded == kIgnore) continue;
      EXPECT_NE(std::find(space.scored.begin(), space.scored.end(), folded), space.scored.end())
          << name << ' ' << id;
    }
    for (int id : space.scored) EXPECT_EQ(space.fold[static_cast<std::size_t>(id)], id) << name;
  }
  EXPECT_THROW(label_space("camvid"), Error);
}

TEST(LabelSpaceTest, MapsAndColours) {
  cv::Mat ids = (cv::Mat_<std::uint8_t>(1, 3) << 3, 16, 255);
  const cv::Mat folded = map_labels(ids, label_space("camvid11").fold);
  EXPECT_EQ(folded.at<std::uint8_t>(0, 0), 2);
  EXPECT_EQ(folded.at<std::uint8_t>(0, 1), 13);
  EXPECT_EQ(folded.at<std::uint8_t>(0, 2), kIgnore);
  EXPECT_EQ(colourise_rgb(folded).at<cv::Vec3b>(0, 1), cv::Vec3b(0, 0, 142));
  ids.at<std::uint8_t>(0, 0) = 19;
  EXPECT_THROW(colourise_rgb(ids), CheckError);
}

TEST(LabelSpaceTest, IdTablesSendEveryClassToItsTrainId) {
  for (const auto& name : id_table_names()) {
    std::vector<int> hits(256, 0);
    for (int id : id_table(name)) ++hits[static_cast<std::size_t>(id)];
    for (int train_id = 0; train_id < kClasses; ++train_id)
      EXPECT_LE(hits[static_cast<std::size_t>(train_id)], 1) << name;
  }
  EXPECT_EQ(id_table("camvid")[3], 0);
  EXPECT_EQ(id_table("cityscapes")[33], 18);
  const cv::Mat ids = (cv::Mat_<std::uint8_t>(1, 4) << 11, 12, 40, 255);
  EXPECT_EQ(unknown_ids(ids, "camvid"), (std::vector<int>{12, 40}));
  EXPECT_EQ(unknown_ids(ids, "cityscapes"), (std::vector<int>{40}));
  EXPECT_THROW(id_table("kitti"), Error);
}

}  // namespace
}  // namespace driftloop::config
