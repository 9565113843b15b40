// Pictures from files. OpenCV hides libjpeg's warnings: a cut-off JPEG would come out half grey.
#pragma once
#include <filesystem>
#include <opencv2/core/mat.hpp>
#include <optional>
#include <string_view>

namespace driftloop::adapt {

/// 8UC3 RGB of a JPEG or PNG. Throws Error naming the file when it cannot be read, is no image, or ends too
/// early.
cv::Mat read_image_rgb(const std::filesystem::path& file);

/// The size that the head of a JPEG or PNG states, without decoding it: a data set of thousands of images
/// opens in seconds. Nothing when only decoding tells: it is no such file, or metadata may say that it is to
/// be turned. Throws Error when the file cannot be read.
std::optional<cv::Size> stated_size_px(const std::filesystem::path& file);

/// False for JPEG data whose end-of-image marker is missing (ITU-T T.81, annex B); true for any other format.
/// What follows the marker, such as a camera's trailer, is allowed.
bool jpeg_is_whole(std::string_view data);

}  // namespace driftloop::adapt
