// What the engine asks for and what comes back; no LibTorch in this header.
#pragma once
#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <string>

namespace driftloop::adapt {

/// A box to ask a label for. It lies inside its frame. `score` is the strategy's own; larger was asked first.
struct Region {
  std::string frame_id;
  cv::Rect box_px;
  double score = 0;
  std::uint64_t id = 0;  // given by the engine when it asks: rising from 1, never used again; 0 = not asked
};

/// The answer to one region: 8UC1 trainIds of the box's size, 255 where nobody could tell. The region is
/// known by its frame and box; an `id` other than 0 must be that region's.
struct RegionLabel {
  std::string frame_id;
  cv::Rect box_px;
  cv::Mat label;
  std::uint64_t id = 0;
};

/// What an answer costs the person who gives it, in clicks: one is one key press that names a class, for a
/// point or for a tile that holds one class; a tile with more classes costs a click a class. Where nobody
/// could tell, that is said with one click, too.
int clicks_of(const cv::Mat& label);

}  // namespace driftloop::adapt
