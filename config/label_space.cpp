#include "config/label_space.h"

#include <opencv2/core.hpp>
#include <utility>

#include "config/check.h"
#include "config/name_table.h"

namespace driftloop::config {
namespace {

constexpr int kRoad = 0, kBuilding = 2, kWall = 3, kSign = 7, kLight = 6, kVegetation = 8, kTerrain = 9,
              kPerson = 11, kRider = 12, kCar = 13, kTruck = 14, kBus = 15, kTrain = 16, kMotorcycle = 17,
              kBicycle = 18;

LabelSpace keep_only(std::string_view name, std::vector<int> scored) {
  LabelSpace space{name, std::move(scored), {}};
  space.fold.fill(kIgnore);
  for (int id : space.scored) space.fold[static_cast<std::size_t>(id)] = static_cast<std::uint8_t>(id);
  return space;
}

/// The 11 classes published with SegNet, folded as there: lights and signs are one class, so are all
/// four-wheelers, riders belong to their bicycle or motorcycle, walls to buildings, low vegetation to trees.
LabelSpace camvid11() {
  LabelSpace space = keep_only("camvid11", {0, 1, 2, 4, 5, 7, 8, 10, 11, 13, 18});
  space.fold[kWall] = kBuilding;
  space.fold[kLight] = kSign;
  space.fold[kTerrain] = kVegetation;
  space.fold[kRider] = kBicycle;
  space.fold[kTruck] = space.fold[kBus] = space.fold[kTrain] = kCar;
  space.fold[kMotorcycle] = kBicycle;
  static_assert(kRoad == 0 && kPerson == 11);
  return space;
}

struct IdTable {
  std::string_view name;
  TrainIdTable table;
  int highest;  // ids 0..highest are the data set's own, mapped or void
};

IdTable make_id_table(std::string_view name, int highest, std::initializer_list<std::pair<int, int>> pairs) {
  IdTable made{name, {}, highest};
  made.table.fill(kIgnore);
  for (const auto& [id, train_id] : pairs)
    made.table[static_cast<std::size_t>(id)] = static_cast<std::uint8_t>(train_id);
  return made;
}

const std::vector<IdTable>& id_tables() {
  static const std::vector<IdTable> all = [] {
    std::vector<IdTable> tables;
    tables.push_back(make_id_table("trainids", kClasses - 1, {}));
    for (int id = 0; id < kClasses; ++id)
      tables[0].table[static_cast<std::size_t>(id)] = static_cast<std::uint8_t>(id);
    tables.push_back(make_id_table("cityscapes", 34,
                                   {{7, 0},
                                    {8, 1},
                                    {11, 2},
                                    {12, 3},
                                    {13, 4},
                                    {17, 5},
                                    {19, 6},
                                    {20, 7},
                                    {21, 8},
                                    {22, 9},
                                    {23, 10},
                                    {24, 11},
                                    {25, 12},
                                    {26, 13},
                                    {27, 14},
                                    {28, 15},
                                    {31, 16},
                                    {32, 17},
                                    {33, 18}}));
    // SYNTHIA-RAND-CITYSCAPES; 22 is its lane marking, which is void there as in the published maps.
    tables.push_back(make_id_table("synthia", 22,
                                   {{3, 0},
                                    {4, 1},
                                    {2, 2},
                                    {21, 3},
                                    {5, 4},
                                    {7, 5},
                                    {15, 6},
                                    {9, 7},
                                    {6, 8},
                                    {1, 10},
                                    {10, 11},
                                    {17, 12},
                                    {8, 13},
                                    {19, 15},
                                    {12, 17},
                                    {11, 18}}));
    // Mapillary Vistas 1.2 as the field folds it (RobustNet, HRDA): lane markings and manholes are road,
    // curbs sidewalk, utility poles poles, all riders riders, fronts of signs signs.
    tables.push_back(make_id_table(
        "mapillary", 65,
        {{13, 0},  {24, 0},  {41, 0},  {2, 1},   {15, 1},  {17, 2},  {6, 3},   {3, 4},   {45, 5},
         {47, 5},  {48, 6},  {50, 7},  {30, 8},  {29, 9},  {27, 10}, {19, 11}, {20, 12}, {21, 12},
         {22, 12}, {55, 13}, {61, 14}, {54, 15}, {58, 16}, {57, 17}, {52, 18}}));
    tables.push_back(make_id_table(
        "camvid", 11,
        {{0, 10}, {1, 2}, {2, 5}, {3, 0}, {4, 1}, {5, 8}, {6, 7}, {7, 4}, {8, 13}, {9, 11}, {10, 18}}));
    return tables;
  }();
  return all;
}

const IdTable& find_id_table(std::string_view name) {
  for (const auto& table : id_tables())
    if (table.name == name) return table;
  throw_unknown_name("label id table", name, id_table_names());
}

const std::vector<LabelSpace>& spaces() {
  static const std::vector<LabelSpace> all = {
      keep_only("cityscapes19", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}),
      keep_only("synthia16",
                {0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18}),  // without terrain, truck, train
      keep_only("synthia13",
                {0, 1, 2, 6, 7, 8, 10, 11, 12, 13, 15, 17, 18}),  // also without wall, fence, pole
      camvid11()};
  return all;
}

}  // namespace

const std::array<std::string_view, kClasses>& class_names() {
  static const std::array<std::string_view, kClasses> names = {
      "road",         "sidewalk",   "building", "wall",       "fence",  "pole",  "traffic light",
      "traffic sign", "vegetation", "terrain",  "sky",        "person", "rider", "car",
      "truck",        "bus",        "train",    "motorcycle", "bicycle"};
  return names;
}

const std::array<std::array<std::uint8_t, 3>, kClasses>& class_colours_rgb() {
  static const std::array<std::array<std::uint8_t, 3>, kClasses> colours = {{{128, 64, 128},
                                                                             {244, 35, 232},
                                                                             {70, 70, 70},
                                                                             {102, 102, 156},
                                                                             {190, 153, 153},
                                                                             {153, 153, 153},
                                                                             {250, 170, 30},
                                                                             {220, 220, 0},
                                                                             {107, 142, 35},
                                                                             {152, 251, 152},
                                                                             {70, 130, 180},
                                                                             {220, 20, 60},
                                                                             {255, 0, 0},
                                                                             {0, 0, 142},
                                                                             {0, 0, 70},
                                                                             {0, 60, 100},
                                                                             {0, 80, 100},
                                                                             {0, 0, 230},
                                                                             {119, 11, 32}}};
  return colours;
}

const LabelSpace& label_space(std::string_view name) {
  for (const auto& space : spaces())
    if (space.name == name) return space;
  throw_unknown_name("label space", name, label_space_names());
}

std::vector<std::string> label_space_names() {
  std::vector<std::string> names;
  for (const auto& space : spaces()) names.emplace_back(space.name);
  return names;
}

TrainIdTable prediction_fold(const LabelSpace& space) {
  TrainIdTable fold = space.fold;
  for (std::size_t id = 0; id < kClasses; ++id)
    if (fold[id] == kIgnore) fold[id] = static_cast<std::uint8_t>(id);
  return fold;
}

const TrainIdTable& id_table(std::string_view name) {
  return find_id_table(name).table;
}

std::vector<std::string> id_table_names() {
  std::vector<std::string> names;
  for (const auto& table : id_tables()) names.emplace_back(table.name);
  return names;
}

std::vector<int> unknown_ids(const cv::Mat& ids_hw, std::string_view table_name) {
  DL_CHECK(ids_hw.type() == CV_8UC1, ids_hw.type());
  const int highest = find_id_table(table_name).highest;
  std::array<bool, 256> seen{};
  for (int y = 0; y < ids_hw.rows; ++y)
    for (int x = 0; x < ids_hw.cols; ++x) seen[ids_hw.at<std::uint8_t>(y, x)] = true;
  std::vector<int> unknown;
  for (int id = highest + 1; id < kIgnore; ++id)
    if (seen[static_cast<std::size_t>(id)]) unknown.push_back(id);
  return unknown;
}

cv::Mat map_labels(const cv::Mat& ids_hw, const TrainIdTable& table) {
  DL_CHECK(ids_hw.type() == CV_8UC1, ids_hw.type());
  cv::Mat mapped;
  cv::LUT(ids_hw, cv::Mat(1, 256, CV_8UC1, const_cast<std::uint8_t*>(table.data())), mapped);
  return mapped;
}

cv::Mat published_ids(const cv::Mat& train_ids_hw) {
  TrainIdTable ids{};
  const TrainIdTable& train_ids = id_table("cityscapes");
  for (std::size_t id = 0; id < train_ids.size(); ++id)
    if (train_ids[id] != kIgnore) ids[train_ids[id]] = static_cast<std::uint8_t>(id);
  return map_labels(train_ids_hw, ids);
}

cv::Mat colourise_rgb(const cv::Mat& train_ids_hw) {
  DL_CHECK(train_ids_hw.type() == CV_8UC1, train_ids_hw.type());
  cv::Mat picture(train_ids_hw.size(), CV_8UC3, cv::Scalar::all(0));
  for (int y = 0; y < picture.rows; ++y) {
    const auto* ids = train_ids_hw.ptr<std::uint8_t>(y);
    auto* pixels = picture.ptr<cv::Vec3b>(y);
    for (int x = 0; x < picture.cols; ++x) {
      if (ids[x] == kIgnore) continue;
      DL_CHECK(ids[x] < kClasses, int{ids[x]}, x, y);
      const auto& colour = class_colours_rgb()[ids[x]];
      pixels[x] = {colour[0], colour[1], colour[2]};
    }
  }
  return picture;
}

}  // namespace driftloop::config
