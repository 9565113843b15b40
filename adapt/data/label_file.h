// Class ids from label PNGs.
#pragma once
#include <filesystem>
#include <opencv2/core/mat.hpp>

namespace driftloop::adapt {

/// 8UC1: the class id of each pixel as the file numbers it. Of a palette PNG (GTAV) the index, never the
/// colour; of grey values the value, whatever their bits; of colours of 16 bits (SYNTHIA) the first channel,
/// as the second is the instance. Throws Error naming the file when it is no whole PNG, holds colours of 8
/// bits, or a value above 255.
cv::Mat read_label_ids(const std::filesystem::path& file);

}  // namespace driftloop::adapt
