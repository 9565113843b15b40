#include "daemon/image_size.h"

#include <charconv>

#include "config/check.h"

namespace driftloop::daemon {

cv::Size image_size(const std::string& text, const std::string& what) {
  cv::Size size;
  const char* end = text.data() + text.size();
  const auto width = std::from_chars(text.data(), end, size.width);
  if (width.ec == std::errc() && width.ptr != end && *width.ptr == 'x') {
    const auto height = std::from_chars(width.ptr + 1, end, size.height);
    if (height.ec == std::errc() && height.ptr == end && size.width > 0 && size.height > 0) return size;
  }
  throw Error(what + ": '" + text + "' is no size; write WIDTHxHEIGHT in pixels, for example 640x360");
}

}  // namespace driftloop::daemon
