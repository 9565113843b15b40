// The size of an image as a person writes it: 640x360.
#pragma once
#include <opencv2/core/types.hpp>
#include <string>

namespace driftloop::daemon {

/// WIDTHxHEIGHT, px. Throws Error that begins with `what` (an option's name) when the text is something else.
cv::Size image_size(const std::string& text, const std::string& what);

}  // namespace driftloop::daemon
