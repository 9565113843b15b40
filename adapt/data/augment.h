// From images and label maps to views of them: random scale, flip, crop and colour changes. No LibTorch in
// this header.
#pragma once
#include <opencv2/core.hpp>

#include "adapt/options.h"
#include "adapt/preprocessing.h"
#include "config/random.h"

namespace driftloop::adapt {

struct View {
  cv::Mat image_rgb;         // 8UC3
  cv::Mat label;             // 8UC1 trainIds, 255 ignored; empty when there is none
  cv::Rect content_px = {};  // of a crop: where the image is, the rest is padding
};

/// The working size of an image of `size_px`: of this long side, aspect kept; 0 = unchanged.
cv::Size working_size(int long_side_px, cv::Size size_px);

/// The image at its working size.
cv::Mat to_working_size(int long_side_px, const cv::Mat& image_rgb);

/// Random scale (half the draws below 1), flip and crop to crop_width x crop_height. Outside the image: mean
/// colour, label 255.
View random_crop(const InputOptions& options, const View& view, config::Random& random);

/// As random_crop, but the crop is placed so that a random labelled pixel of `view.label` lies in it:
/// returned regions are few.
View random_crop_on_label(const InputOptions& options, const View& view, config::Random& random);

/// Brightness, contrast, saturation, hue, blur, noise; `strength` 0..1, 0 = unchanged.
cv::Mat jitter(const cv::Mat& image_rgb, double strength, config::Random& random);

}  // namespace driftloop::adapt
