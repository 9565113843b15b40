#include "adapt/data/image_file.h"

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <string>

#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::adapt {
namespace {

constexpr unsigned char kMarker = 0xFF, kStart = 0xD8, kEnd = 0xD9, kFirstRestart = 0xD0, kLastRestart = 0xD7;

/// Markers that stand alone, without a segment of data behind them.
bool stands_alone(unsigned char code) {
  return code == 0x01 || (code >= kFirstRestart && code <= kStart);
}

}  // namespace

bool jpeg_is_whole(std::string_view data) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(data[at]); };
  if (data.size() < 2 || byte(0) != kMarker || byte(1) != kStart) return true;
  std::size_t at = 2;
  while (at + 1 < data.size()) {
    // Between segments only fill bytes; within a scan, compressed data where 0xFF is followed by 0.
    if (byte(at) != kMarker || byte(at + 1) == 0 || byte(at + 1) == kMarker) {
      ++at;
      continue;
    }
    const unsigned char code = byte(at + 1);
    if (code == kEnd) return true;
    at += 2;
    if (stands_alone(code)) continue;
    if (at + 1 >= data.size()) return false;
    at += static_cast<std::size_t>(byte(at)) << 8 | byte(at + 1);  // the length counts its own two bytes
  }
  return false;
}

cv::Mat read_image_rgb(const std::filesystem::path& file) {
  const std::string data = config::read_file(file);
  if (!jpeg_is_whole(data))
    throw Error(file.string() + " is not a whole JPEG: it ends too early; remove it or write it again");
  cv::Mat image;
  if (!data.empty())
    image = cv::imdecode(cv::Mat(1, static_cast<int>(data.size()), CV_8UC1, const_cast<char*>(data.data())),
                         cv::IMREAD_COLOR);
  if (image.empty()) throw Error(file.string() + " is not a readable image; remove it or write it again");
  cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  return image;
}

}  // namespace driftloop::adapt
