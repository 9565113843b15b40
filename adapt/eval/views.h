// What a net says of an image that it sees several times: in windows, at several sizes, mirrored.
#pragma once
#include <opencv2/core/mat.hpp>
#include <vector>

#include "adapt/eval/options.h"
#include "adapt/model/placed_net.h"

namespace driftloop::adapt {

/// Where windows of `window_px` begin along a side of `side_px`: every `stride_px`, the last flush with the
/// end; 0 alone where one holds all.
std::vector<int> window_starts(int side_px, int window_px, int stride_px);

/// Class probabilities (C, H, W) at the image's size, on the net's device: the mean over sizes and mirrored
/// views. Within a view the logits are averaged where windows overlap, as the papers do
/// (docs/method, section 6). Throws Error: windows or images too small for
/// a net, gaps between windows.
at::Tensor probabilities_of_views(const PlacedNet& net, const cv::Mat& image_rgb, const EvalOptions& options);

}  // namespace driftloop::adapt
