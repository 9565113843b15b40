// From images and label maps to what the net eats: random scale, flip, crop and colour changes;
// normalisation.
#pragma once
#include <opencv2/core.hpp>
#include <random>

#include "adapt/options.h"
#include "adapt/preprocessing.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

struct View {
  cv::Mat image_rgb;  // 8UC3
  cv::Mat label;      // 8UC1 trainIds, 255 ignored; empty when there is none
};

/// The working size of an image of `size_px`: long side `options.work_long_side_px` (or unchanged), aspect
/// kept.
cv::Size working_size(const InputOptions& options, cv::Size size_px);

/// The image at its working size.
cv::Mat to_working_size(const InputOptions& options, const cv::Mat& image_rgb);

/// Random scale (half the draws below 1), flip and crop to crop_width x crop_height. Outside the image: mean
/// colour, label 255.
View random_crop(const InputOptions& options, const View& view, std::mt19937_64& random);

/// As random_crop, but the crop is placed so that a random labelled pixel of `view.label` lies in it:
/// returned regions are few.
View random_crop_on_label(const InputOptions& options, const View& view, std::mt19937_64& random);

/// Brightness, contrast, saturation, hue, blur, noise; `strength` 0..1, 0 = unchanged.
cv::Mat jitter(const cv::Mat& image_rgb, double strength, std::mt19937_64& random);

/// (N, 3, H, W) float normalised / (N, H, W) int64. All of one size.
torch::Tensor images_to_tensor(const std::vector<cv::Mat>& images_rgb);
torch::Tensor labels_to_tensor(const std::vector<cv::Mat>& labels);

}  // namespace driftloop::adapt
