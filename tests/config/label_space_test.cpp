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

}  // namespace
}  // namespace driftloop::config
