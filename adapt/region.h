// What the engine asks for and what comes back; no LibTorch in this header.
#pragma once
#include <opencv2/core/mat.hpp>
#include <string>

namespace driftloop::adapt {

/// A box to ask a label for. It lies inside its frame. `score` is the strategy's own; larger was asked first.
struct Region {
  std::string frame_id;
  cv::Rect box_px;
  double score = 0;
};

/// The answer to one region: 8UC1 trainIds of the box's size, 255 where nobody could tell.
struct RegionLabel {
  std::string frame_id;
  cv::Rect box_px;
  cv::Mat label;
};

}  // namespace driftloop::adapt
