// Pictures from files. OpenCV hides libjpeg's warnings: a cut-off JPEG would come out half grey.
#pragma once
#include <filesystem>
#include <opencv2/core/mat.hpp>
#include <string_view>

namespace driftloop::adapt {

/// 8UC3 RGB of a JPEG or PNG. Throws Error naming the file when it cannot be read, is no image, or ends too
/// early.
cv::Mat read_image_rgb(const std::filesystem::path& file);

/// False for JPEG data whose end-of-image marker is missing (ITU-T T.81, annex B); true for any other format.
/// What follows the marker, such as a camera's trailer, is allowed.
bool jpeg_is_whole(std::string_view data);

}  // namespace driftloop::adapt
