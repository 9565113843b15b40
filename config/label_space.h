// The one label space of driftloop: 19 classes, the Cityscapes trainIds 0..18, and 255 = ignored. A target
// data set may use a part of it: then it says which classes are scored and into which class each of the
// others is folded.
#pragma once
#include <array>
#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace driftloop::config {

inline constexpr int kClasses = 19;           // Cityscapes trainIds
inline constexpr std::uint8_t kIgnore = 255;  // no label

using TrainIdTable = std::array<std::uint8_t, 256>;  // index = id in a file, value = trainId or kIgnore

struct LabelSpace {
  std::string_view name;
  std::vector<int> scored;  // the trainIds of which the mIoU is the mean, ascending
  TrainIdTable
      fold;  // trainId -> the trainId that stands for it in this space (identity where scored), or kIgnore
};

/// Class names and display colours (RGB) by trainId, as published with Cityscapes.
const std::array<std::string_view, kClasses>& class_names();
const std::array<std::array<std::uint8_t, 3>, kClasses>& class_colours_rgb();

/// "cityscapes19", "synthia16", "synthia13", "camvid11". Throws Error for another name.
const LabelSpace& label_space(std::string_view name);
std::vector<std::string> label_space_names();

/// What folds predictions, as `fold` folds labels: a class that the space does not know stays what it is, and
/// is wrong.
TrainIdTable prediction_fold(const LabelSpace& space);

/// How a data set's label files number the classes -> trainIds: "trainids" (already trainIds, Cityscapes
/// *_labelTrainIds.png), "cityscapes" (also GTAV), "synthia", "mapillary" (Vistas 1.2), "camvid" (the 11
/// classes of SegNet). Throws Error for another name.
const TrainIdTable& id_table(std::string_view name);
std::vector<std::string> id_table_names();

/// The values in `ids_hw` that `table` neither maps nor knows as void (255, and the data set's own void ids),
/// ascending: a sign that the wrong table is in use. 8UC1.
std::vector<int> unknown_ids(const cv::Mat& ids_hw, std::string_view table_name);

/// Maps an 8-bit one-channel id image through `table`; ids that the table does not list become kIgnore.
cv::Mat map_labels(const cv::Mat& ids_hw, const TrainIdTable& table);

/// trainIds as the label ids of Cityscapes, which its evaluation server takes; kIgnore becomes 0, unlabelled.
cv::Mat published_ids(const cv::Mat& train_ids_hw);

/// The picture of a trainId map: RGB, ignored pixels black. Values >= 19 other than 255 throw CheckError.
cv::Mat colourise_rgb(const cv::Mat& train_ids_hw);

}  // namespace driftloop::config
