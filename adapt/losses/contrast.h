// The contrastive loss of method.md 3.5.
#pragma once
#include <functional>

#include "adapt/losses/contrast_bank.h"
#include "adapt/options.h"
#include "adapt/torch.h"

namespace driftloop::adapt {

/// All at the resolution of the features and on one device; images 0 .. labelled_images-1 are labelled.
struct ContrastInput {
  at::Tensor student_ndhw, teacher_ndhw;  // features
  at::Tensor prob_nchw;                   // the teacher's
  at::Tensor label_nhw;                   // int64: labels and pseudo-labels, 255 = not to be used
  at::Tensor low_nhw, high_nhw;  // bool: the teacher is sure, unsure; of the unlabelled images' alone
  std::int64_t labelled_images;
};

/// Class first: (C, N x h x w), pixels in the order of images, rows, columns.
struct ContrastPixels {
  at::Tensor reliable, anchor, negative;  // bool
  at::Tensor centre_cd;  // mean teacher feature of the reliable pixels; 0 where there is none
};
ContrastPixels contrast_pixels(const ContrastInput& input);

/// `count` of the numbers 0 .. of-1, int64, on `device`.
using ContrastDraw = std::function<at::Tensor(std::int64_t of, std::int64_t count, torch::Device device)>;

/// Puts the negatives into the bank, then gives the mean over the classes with reliable pixels of InfoNCE
/// over drawn anchors: one positive, the class centre, and negatives drawn from the bank. A class without
/// anchors or negatives counts 0; with fewer than two classes the loss is 0. Waits for the device once.
at::Tensor contrast_loss(const ContrastInput& input, const ContrastOptions& options, ContrastBank& bank,
                         const ContrastDraw& draw);

}  // namespace driftloop::adapt
