// From a drawn stage to a picture and its mask.
#pragma once
#include <opencv2/core/mat.hpp>

#include "adapt/data/streetsim/stage.h"

namespace driftloop::adapt::streetsim {

inline constexpr int kSamples = 2;  // per pixel and side

struct Exposed {
  cv::Mat colour;  // 32FC3, RGB, 0..1 and above
  cv::Mat label;   // 8UC1, trainIds
};

/// Looks at every sample: the colour of a pixel is the mean of its samples, its label the one most of them
/// have.
Exposed expose(const Stage& stage, int width, int height);

/// What the camera makes of it: glare, rain, exposure, blur, noise, JPEG. `frame` seeds the noise. Returns
/// 8UC3 RGB.
cv::Mat develop(const Stage& stage, Exposed exposed, std::uint64_t frame);

}  // namespace driftloop::adapt::streetsim
