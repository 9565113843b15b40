// A tiny world with known ground truth: frame n is one colour, its label map holds the ids of n.
#pragma once
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>

#include "uplink/region.h"

namespace driftloop::station::test {

inline constexpr int kFrames = 5, kWidth = 64, kHeight = 32;

inline std::string frame_name(int n) {
  return "frame_" + std::to_string(n % kFrames);
}

/// Left half one class, right half the next.
inline cv::Mat truth_of(int n) {
  cv::Mat ids(kHeight, kWidth, CV_8UC1, cv::Scalar(n % kFrames));
  ids.colRange(kWidth / 2, kWidth).setTo(n % kFrames + 1);
  return ids;
}

inline void write_truth(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (int n = 0; n < kFrames; ++n) cv::imwrite((folder / (frame_name(n) + ".png")).string(), truth_of(n));
}

inline uplink::RegionRequest numbered_request(int n, const std::string& vehicle_id) {
  uplink::RegionRequest r;
  r.vehicle_id = vehicle_id;
  r.frame_name = frame_name(n);
  r.frame_width = kWidth;
  r.frame_height = kHeight;
  r.box = {n % 32, n % 16, 16, 8};
  r.crop = {0, 0, kWidth, kHeight};
  r.crop_image =
      "image of region " + std::to_string(n) + std::string(static_cast<std::size_t>(n % 40) * 3000, 'x');
  r.strategy = "test";
  r.label_space = "cityscapes19";
  return r;
}

}  // namespace driftloop::station::test
