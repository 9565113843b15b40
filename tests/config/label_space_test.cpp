#include "config/label_space.h"

#include <gtest/gtest.h>

#include <map>

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
    if (name == "mapillary") continue;  // several of its classes become one
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

/// trainId of each scored class of a space by the ids of `table`, in the order of the space.
std::vector<int> ids_of(std::string_view table, std::string_view space) {
  std::vector<int> ids;
  for (const int train_id : label_space(space).scored) {
    const auto& map = id_table(table);
    ids.push_back(static_cast<int>(std::find(map.begin(), map.end(), train_id) - map.begin()));
  }
  return ids;
}

TEST(LabelSpaceTest, IdsAreThePublishedOnes) {
  EXPECT_EQ(ids_of("cityscapes", "cityscapes19"),
            (std::vector<int>{7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33}));
  EXPECT_EQ(ids_of("synthia", "synthia16"),
            (std::vector<int>{3, 4, 2, 21, 5, 7, 15, 9, 6, 1, 10, 17, 8, 19, 12, 11}));
  EXPECT_EQ(ids_of("camvid", "camvid11"), (std::vector<int>{3, 4, 1, 7, 2, 6, 5, 0, 9, 8, 10}));
  for (const int missing : {9, 14, 16}) {  // SYNTHIA has no terrain, truck and train
    const auto& map = id_table("synthia");
    EXPECT_EQ(std::find(map.begin(), map.end(), missing), map.end()) << missing;
  }
}

TEST(LabelSpaceTest, PublishedIdsComeBackAsTheTrainIds) {
  const cv::Mat train_ids = (cv::Mat_<std::uint8_t>(1, 4) << 0, 13, 18, 255);
  const cv::Mat ids = published_ids(train_ids);
  EXPECT_EQ(ids.at<std::uint8_t>(0, 1), 26);
  EXPECT_EQ(ids.at<std::uint8_t>(0, 3), 0);
  EXPECT_EQ(cv::countNonZero(map_labels(ids, id_table("cityscapes")) != train_ids), 0);
}

TEST(LabelSpaceTest, MapillarysClassesAreFoldedByName) {
  // The 66 names of version 1.2 in the order of their ids.
  const std::vector<std::string> names = {"Bird",
                                          "Ground Animal",
                                          "Curb",
                                          "Fence",
                                          "Guard Rail",
                                          "Barrier",
                                          "Wall",
                                          "Bike Lane",
                                          "Crosswalk - Plain",
                                          "Curb Cut",
                                          "Parking",
                                          "Pedestrian Area",
                                          "Rail Track",
                                          "Road",
                                          "Service Lane",
                                          "Sidewalk",
                                          "Bridge",
                                          "Building",
                                          "Tunnel",
                                          "Person",
                                          "Bicyclist",
                                          "Motorcyclist",
                                          "Other Rider",
                                          "Lane Marking - Crosswalk",
                                          "Lane Marking - General",
                                          "Mountain",
                                          "Sand",
                                          "Sky",
                                          "Snow",
                                          "Terrain",
                                          "Vegetation",
                                          "Water",
                                          "Banner",
                                          "Bench",
                                          "Bike Rack",
                                          "Billboard",
                                          "Catch Basin",
                                          "CCTV Camera",
                                          "Fire Hydrant",
                                          "Junction Box",
                                          "Mailbox",
                                          "Manhole",
                                          "Phone Booth",
                                          "Pothole",
                                          "Street Light",
                                          "Pole",
                                          "Traffic Sign Frame",
                                          "Utility Pole",
                                          "Traffic Light",
                                          "Traffic Sign (Back)",
                                          "Traffic Sign (Front)",
                                          "Trash Can",
                                          "Bicycle",
                                          "Boat",
                                          "Bus",
                                          "Car",
                                          "Caravan",
                                          "Motorcycle",
                                          "On Rails",
                                          "Other Vehicle",
                                          "Trailer",
                                          "Truck",
                                          "Wheeled Slow",
                                          "Car Mount",
                                          "Ego Vehicle",
                                          "Unlabeled"};
  ASSERT_EQ(names.size(), 66U);
  const std::map<std::string, std::string> folds = {{"Road", "road"},
                                                    {"Lane Marking - General", "road"},
                                                    {"Manhole", "road"},
                                                    {"Sidewalk", "sidewalk"},
                                                    {"Curb", "sidewalk"},
                                                    {"Building", "building"},
                                                    {"Wall", "wall"},
                                                    {"Fence", "fence"},
                                                    {"Pole", "pole"},
                                                    {"Utility Pole", "pole"},
                                                    {"Traffic Light", "traffic light"},
                                                    {"Traffic Sign (Front)", "traffic sign"},
                                                    {"Vegetation", "vegetation"},
                                                    {"Terrain", "terrain"},
                                                    {"Sky", "sky"},
                                                    {"Person", "person"},
                                                    {"Bicyclist", "rider"},
                                                    {"Motorcyclist", "rider"},
                                                    {"Other Rider", "rider"},
                                                    {"Car", "car"},
                                                    {"Truck", "truck"},
                                                    {"Bus", "bus"},
                                                    {"On Rails", "train"},
                                                    {"Motorcycle", "motorcycle"},
                                                    {"Bicycle", "bicycle"}};
  for (std::size_t id = 0; id < names.size(); ++id) {
    const int train_id = id_table("mapillary")[id];
    const auto fold = folds.find(names[id]);
    if (fold == folds.end())
      EXPECT_EQ(train_id, kIgnore) << names[id];
    else
      EXPECT_EQ(class_names()[static_cast<std::size_t>(train_id)], fold->second) << names[id];
  }
}

}  // namespace
}  // namespace driftloop::config
