// One frame through a net in eval mode: resize to the working size, run, upsample to the frame.
#pragma once
#include <opencv2/core/mat.hpp>

#include "adapt/acquisition/strategy.h"
#include "adapt/model/segmentation_net.h"
#include "adapt/options.h"

namespace driftloop::adapt {

/// The device `options.device` names. Throws Error when it asks for CUDA and there is none.
torch::Device resolve_device(const std::string& name);

/// Class logits (C, H, W) at the frame's full size, on the net's device.
torch::Tensor predict_logits(SegmentationNet& net, const EngineOptions& options, torch::Device device,
                             const cv::Mat& image_rgb);

/// Probabilities at the frame's size and, when wanted, features at stride 8 of the working size.
Prediction predict(SegmentationNet& net, const EngineOptions& options, torch::Device device,
                   const cv::Mat& image_rgb, Want want);

/// (D), float, on the CPU, unit length: the mean over the frame of its features, each cell's L2-normalised.
torch::Tensor frame_feature(SegmentationNet& net, const EngineOptions& options, torch::Device device,
                            const cv::Mat& image_rgb);

/// 8UC1 trainIds: the most likely class, folded into the label space (a truck is a car where trucks are not
/// scored).
cv::Mat predict_label(SegmentationNet& net, const EngineOptions& options, torch::Device device,
                      const cv::Mat& image_rgb);

}  // namespace driftloop::adapt
