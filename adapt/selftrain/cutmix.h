// The strong view of unlabelled images: pieces of one pasted into another.
#pragma once
#include <opencv2/core.hpp>

#include "adapt/selftrain/pseudo_label.h"
#include "adapt/torch.h"
#include "config/random.h"

namespace driftloop::adapt {

/// Images (N, H, W, 3) with what the teacher says of them.
struct MixImages {
  at::Tensor image_nhwc;
  PseudoBatch pseudo;
};

/// A box of `share` of the area, with a random place and an aspect that still fits.
cv::Rect random_box(cv::Size size, double share, config::Random& random);

/// The bounding box of a random connected component (8 neighbours) of `class_id` among those of at least 0.5
/// % of the area of `predicted` (8UC1); without one a random box of half the area.
cv::Rect component_box(const cv::Mat& predicted, int class_id, config::Random& random);

/// Pastes a box of image `row_from` of `from` into the same place of image `row_to`, in place, with one mask
/// for image, label and confidence.
void paste_box(MixImages& to, std::int64_t row_to, const MixImages& from, std::int64_t row_from,
               cv::Rect box_px);

/// Pastes a random box of `share` of the area of image i+1 into image i (the last takes from the first), in
/// place. A batch of one is pasted from itself, that is, unchanged.
void cutmix(MixImages& images, double share, config::Random& random);

}  // namespace driftloop::adapt
