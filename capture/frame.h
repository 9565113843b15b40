// One picture of the road, as every later stage sees it.
#pragma once
#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <string>

namespace driftloop::capture {

struct Frame {
  cv::Mat image_rgb;  // 8UC3, RGB, continuous, owned by the frame (no view into a driver's buffer)
  /// The stable identity of the picture, for an oracle: the file stem for images://, the six-digit index of
  /// the delivered frame for videos and pipelines ("000123"; it starts again when a file loops).
  std::string name;
  std::uint64_t sequence = 0;    // strictly increasing within one source object, also over loops and restarts
  std::int64_t captured_ns = 0;  // live: the wall clock (Unix). Files: opening time + the frame's own time.
};

}  // namespace driftloop::capture
