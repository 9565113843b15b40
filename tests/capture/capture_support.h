// What the capture tests share: real pictures, real files.
#pragma once
#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <random>
#include <string>
#include <vector>

#include "capture/frame.h"
#include "capture/source.h"

namespace driftloop::capture {

inline constexpr std::chrono::milliseconds kLong{8000};  // longer than any read here should take

/// A picture with edges, colour and a mark of its own.
inline cv::Mat scene_rgb(int width, int height, int mark) {
  cv::Mat image(height, width, CV_8UC3);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      image.at<cv::Vec3b>(y, x) = {static_cast<uchar>((x * 3 + mark * 37) % 256),
                                   static_cast<uchar>((y * 5 + mark * 11) % 256),
                                   static_cast<uchar>(((x / 8 + y / 8) % 2) * 200)};
  return image;
}

inline cv::Mat noise_rgb(int width, int height, std::uint64_t seed) {
  cv::Mat image(height, width, CV_8UC3);
  cv::RNG random(seed);
  random.fill(image, cv::RNG::UNIFORM, 0, 256);
  return image;
}

inline Frame frame_of(const cv::Mat& image, const std::string& name, std::uint64_t sequence = 0,
                      std::int64_t captured_ns = 0) {
  return {image, name, sequence, captured_ns};
}

inline void write_picture(const std::filesystem::path& path, const cv::Mat& image_rgb) {
  cv::Mat bgr;
  cv::cvtColor(image_rgb, bgr, cv::COLOR_RGB2BGR);
  if (!cv::imwrite(path.string(), bgr)) throw std::runtime_error("cannot write " + path.string());
}

inline void write_text(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

/// Reads until the end or an error (the last result), keeping every frame and message.
struct Drive {
  std::vector<Frame> frames;
  std::vector<std::string> messages;
  ReadResult last;
};
inline Drive drive_through(FrameSource& source, std::size_t at_most = 100'000) {
  Drive drive;
  while (drive.frames.size() < at_most) {
    drive.last = source.read(kLong);
    if (!drive.last.message.empty()) drive.messages.push_back(drive.last.message);
    if (drive.last.status != ReadStatus::frame) break;
    drive.frames.push_back(drive.last.frame);
  }
  return drive;
}

}  // namespace driftloop::capture
