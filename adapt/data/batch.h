// What one training step eats.
#pragma once
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "adapt/torch.h"

namespace driftloop::adapt {

/// For each image of a labelled part another one, of which the step may paste objects into it; all of its
/// labels 255 where there is none. Undefined = nothing is pasted.
struct PasteImages {
  at::Tensor image, label;
};

/// Unlabelled images from which the step cuts pieces: of the class `class_id[i]` for the unlabelled image
/// `slot[i]`.
struct CutImages {
  at::Tensor weak_image, strong_image, padding;
  std::vector<std::string> frame_id;
  std::vector<int> slot, class_id;
  std::vector<std::string> vanished;  // frames that were wished for and are gone
};

/// Tensors on the CPU: images (N, H, W, 3) uint8, labels (N, H, W) int64 with 255 where nothing is known,
/// padding (N, H, W) bool where a crop is outside its image (undefined = nowhere). Any part may be undefined
/// (absent).
struct Batch {
  at::Tensor source_image, source_label, source_padding;
  at::Tensor target_image, target_label, target_padding;  // returned regions, 255 elsewhere
  PasteImages source_paste, target_paste;
  at::Tensor weak_image, strong_image;  // unlabelled: what the teacher and what the student sees of a crop
  at::Tensor unlabelled_padding;
  std::vector<std::string> unlabelled_id;  // their frames
  CutImages cut;
};

/// (N, H, W, 3) uint8, as SegmentationNet::normalised() takes it / (N, H, W) int64. All of one size.
at::Tensor images_to_tensor(const std::vector<cv::Mat>& images_rgb);
at::Tensor labels_to_tensor(const std::vector<cv::Mat>& labels);
/// (N, H, W) bool, true outside each image's content; undefined when there is no padding at all.
at::Tensor padding_to_tensor(const std::vector<cv::Rect>& contents_px, cv::Size crop);

/// The batch in `parts` batches, of each part of it a share each (of few images some get none).
std::vector<Batch> split(const Batch& batch, int parts);

/// Batch normalisation of a pooled branch needs two images: one alone is learned from twice.
void repeat_a_lone_image(Batch& batch);

}  // namespace driftloop::adapt
