#include "adapt/model/placed_net.h"

#include <torch/cuda.h>

#include "adapt/data/augment.h"
#include "adapt/data/batch.h"
#include "adapt/model/weights.h"
#include "adapt/out_of_memory.h"
#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {

torch::Device resolve_device(const std::string& name) {
  if (name == "auto") return torch::Device(torch::cuda::is_available() ? torch::kCUDA : torch::kCPU);
  try {
    const torch::Device device(name);
    if (device.is_cuda() && !torch::cuda::is_available())
      throw Error("device: " + name +
                  " was asked for, but LibTorch sees no CUDA GPU here; use device: cpu or auto");
    if (device.is_cuda() && device.index() >= static_cast<int>(torch::cuda::device_count()))
      throw Error("device: " + name + " was asked for, but there are only " +
                  std::to_string(torch::cuda::device_count()) + " GPUs here, counted from 0");
    if (!device.is_cuda() && !device.is_cpu())
      throw Error("device: '" + name + "' is not supported; use cpu, cuda, cuda:1 or auto");
    return device;
  } catch (const c10::Error& error) {
    if (is_out_of_memory(error)) throw;
    throw Error("device: '" + name + "' is not a device; use cpu, cuda, cuda:1 or auto");
  }
}

PlacedNet::PlacedNet(ModelSpec spec, torch::Device device, std::uint64_t seed)
    : spec_(std::move(spec)), device_(device) {
  torch::manual_seed(seed);
  net_ = make_net(spec_.net, config::kClasses);
  net_->to(device);
  net_->eval();
}

PlacedNet::PlacedNet(const PlacedNet& other, torch::Device device) : PlacedNet(other.spec_, device, 0) {
  copy_weights(*other.net_, *net_);
}

const std::string& PlacedNet::digest() const {
  if (digest_.empty()) digest_ = weights_digest(*net_);
  return digest_;
}

NetOutput PlacedNet::run(const cv::Mat& image_rgb, Outputs outputs) const {
  DL_CHECK(!image_rgb.empty());
  return run_as_it_is(to_working_size(spec_.work_long_side_px, image_rgb), outputs);
}

NetOutput PlacedNet::run_as_it_is(const cv::Mat& seen_rgb, Outputs outputs) const {
  net_->eval();
  const auto image = images_to_tensor({seen_rgb}).to(device_);
  return net_->run(net_->normalised(image), outputs);
}

at::Tensor PlacedNet::logits(const cv::Mat& image_rgb) const {
  torch::NoGradGuard no_grad;
  const auto output = run(image_rgb, Outputs::main);
  return upsample(output.logits_nchw, image_rgb.rows, image_rgb.cols, output.corners).squeeze(0);
}

at::Tensor PlacedNet::logits_as_it_is(const cv::Mat& seen_rgb) const {
  torch::NoGradGuard no_grad;
  return enlarged(run_as_it_is(seen_rgb, Outputs::main).logits_nchw.squeeze(0), seen_rgb.size());
}

at::Tensor PlacedNet::enlarged(const at::Tensor& logits_chw, cv::Size frame_px) const {
  return upsample(logits_chw.unsqueeze(0), frame_px.height, frame_px.width, net_->corners()).squeeze(0);
}

Prediction PlacedNet::predict(const cv::Mat& image_rgb, Want want) const {
  torch::NoGradGuard no_grad;
  const bool features = want == Want::probabilities_and_features;
  const bool backbone = want == Want::probabilities_and_backbone;
  const auto output = run(image_rgb, features   ? Outputs::features
                                     : backbone ? Outputs::backbone
                                                : Outputs::main);
  Prediction prediction;
  prediction.logits_chw = output.logits_nchw.squeeze(0);
  prediction.corners = output.corners;
  prediction.frame_px = image_rgb.size();
  if (features)
    prediction.feature_dhw = torch::avg_pool2d(output.features_ndhw, 2, 2, 0, /*ceil_mode=*/true).squeeze(0);
  if (backbone) prediction.feature_dhw = output.backbone_ndhw.squeeze(0);
  return prediction;
}

at::Tensor PlacedNet::frame_feature(const cv::Mat& image_rgb) const {
  torch::NoGradGuard no_grad;
  const auto cells = run(image_rgb, Outputs::features).features_ndhw[0];
  const auto unit = cells / cells.norm(2, 0, true).clamp_min(1e-12);
  const auto mean = unit.mean({1, 2}).to(torch::kFloat32);
  return (mean / mean.norm().clamp_min(1e-12)).cpu().contiguous();
}

cv::Mat PlacedNet::folded(const at::Tensor& ids_hw) const {
  const auto ids = ids_hw.to(torch::kUInt8).cpu().contiguous();
  const cv::Mat label(static_cast<int>(ids.size(0)), static_cast<int>(ids.size(1)), CV_8UC1, ids.data_ptr());
  return config::map_labels(label, config::prediction_fold(config::label_space(spec_.label_space)));
}

}  // namespace driftloop::adapt
