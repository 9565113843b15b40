// A net where it runs, with what a frame goes through on its way in and out: resized to the working size,
// normalised, run in eval mode, upsampled to the frame.
#pragma once
#include <opencv2/core/mat.hpp>
#include <string>

#include "adapt/acquisition/strategy.h"
#include "adapt/model.h"
#include "adapt/model/segmentation_net.h"

namespace driftloop::adapt {

/// The device that a setting names. Throws Error when it asks for CUDA and there is none.
torch::Device resolve_device(const std::string& name);

class PlacedNet {
 public:
  /// Fresh weights from `seed`, in eval mode.
  PlacedNet(ModelSpec spec, torch::Device device, std::uint64_t seed);
  /// The same net with the same weights.
  PlacedNet(const PlacedNet& other, torch::Device device);

  const ModelSpec& spec() const { return spec_; }
  void set_label_space(const std::string& name) { spec_.label_space = name; }
  torch::Device device() const { return device_; }
  SegmentationNet& net() const { return *net_; }
  /// Whoever changes the weights says so: the digest is kept.
  void touched() { digest_.clear(); }
  /// weights_digest() of the net.
  const std::string& digest() const;

  /// Class logits (C, H, W) at the frame's full size, on the net's device.
  at::Tensor logits(const cv::Mat& image_rgb) const;
  /// The same of an image that is not resized first, at its size.
  at::Tensor logits_as_it_is(const cv::Mat& seen_rgb) const;
  /// Logits (C, h, w) of a frame at the frame's size.
  at::Tensor enlarged(const at::Tensor& logits_chw, cv::Size frame_px) const;
  /// Logits with the frame's size and, when wanted, features at stride 8 of the working size.
  Prediction predict(const cv::Mat& image_rgb, Want want) const;
  /// (D), float, on the CPU, unit length: the mean over the frame of its features, each cell's
  /// L2-normalised.
  at::Tensor frame_feature(const cv::Mat& image_rgb) const;
  /// (H, W) class ids -> 8UC1 trainIds, folded into the label space.
  cv::Mat folded(const at::Tensor& ids_hw) const;
  cv::Mat label(const cv::Mat& image_rgb) const { return folded(std::get<1>(logits(image_rgb).max(0))); }

 private:
  NetOutput run(const cv::Mat& image_rgb, Outputs outputs) const;
  NetOutput run_as_it_is(const cv::Mat& seen_rgb, Outputs outputs) const;

  ModelSpec spec_;
  torch::Device device_;
  std::shared_ptr<SegmentationNet> net_;
  mutable std::string digest_;  // "" = to be computed
};

}  // namespace driftloop::adapt
