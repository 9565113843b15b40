// What a strategy thinks of a frame, as a picture; no LibTorch in this header.
#pragma once
#include <opencv2/core/mat.hpp>

#include "adapt/acquisition/options.h"
#include "adapt/model.h"

namespace driftloop::adapt {

/// 32FC1 of the frame's size: what the strategy ranks pixels by when it asks for regions of that side; empty
/// when it does not rank by a map. One forward pass. Throws OutOfMemory.
cv::Mat score_map(const Model& model, const config::Chosen& strategy, int region_px,
                  const cv::Mat& image_rgb);

}  // namespace driftloop::adapt
