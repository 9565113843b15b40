#include "adapt/data/image_file.h"

#include <fstream>
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

unsigned number(std::string_view data, std::size_t at, int bytes) {
  unsigned value = 0;
  for (int i = 0; i < bytes; ++i)
    value = value << 8 | static_cast<unsigned char>(data[at + static_cast<std::size_t>(i)]);
  return value;
}

/// Of a frame header (ITU-T T.81, B.2.2); tables and the arithmetic conditioning share its range of markers.
bool starts_a_frame(unsigned code) {
  return code >= 0xC0 && code <= 0xCF && code != 0xC4 && code != 0xC8 && code != 0xCC;
}

std::optional<cv::Size> size_of_jpeg(std::string_view data) {
  constexpr unsigned kExif = 0xE1, kScan = 0xDA;
  std::size_t at = 2;
  while (at + 9 <= data.size()) {
    if (number(data, at, 1) != kMarker) return std::nullopt;
    const unsigned code = number(data, at + 1, 1);
    if (code == kMarker) {  // a fill byte
      ++at;
      continue;
    }
    if (code == kExif || code == kScan) return std::nullopt;
    if (starts_a_frame(code))
      return cv::Size(static_cast<int>(number(data, at + 7, 2)), static_cast<int>(number(data, at + 5, 2)));
    at += 2 + (stands_alone(static_cast<unsigned char>(code)) ? 0 : number(data, at + 2, 2));
  }
  return std::nullopt;
}

std::optional<cv::Size> size_of_png(std::string_view data) {
  constexpr std::size_t kFirstChunk = 8, kHeaderChunk = 25, kWidth = 16, kHeight = 20;
  if (data.size() < kFirstChunk + kHeaderChunk || data.substr(kFirstChunk + 4, 4) != "IHDR")
    return std::nullopt;
  const unsigned width = number(data, kWidth, 4), height = number(data, kHeight, 4);
  std::size_t at = kFirstChunk + kHeaderChunk;
  for (; at + 8 <= data.size(); at += 12 + std::size_t{number(data, at, 4)}) {
    const auto kind = data.substr(at + 4, 4);
    if (kind == "eXIf") return std::nullopt;
    if (kind == "IDAT") return cv::Size(static_cast<int>(width), static_cast<int>(height));
  }
  return std::nullopt;
}

}  // namespace

std::optional<cv::Size> stated_size_px(const std::filesystem::path& file) {
  constexpr std::size_t kHead = 64 << 10;
  std::ifstream in(file, std::ios::binary);
  std::string head(kHead, '\0');
  in.read(head.data(), kHead);
  if (!in && !in.eof()) throw Error(file.string() + " cannot be read");
  head.resize(static_cast<std::size_t>(in.gcount()));
  std::optional<cv::Size> size;
  if (head.starts_with("\xFF\xD8")) size = size_of_jpeg(head);
  if (head.starts_with("\x89PNG")) size = size_of_png(head);
  return size && size->width > 0 && size->height > 0 ? size : std::nullopt;
}

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
