#include "adapt/eval/predictor.h"

#include "adapt/data/augment.h"
#include "adapt/train/out_of_memory.h"
#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

NetOutput run(SegmentationNet& net, const EngineOptions& options, torch::Device device,
              const cv::Mat& image_rgb, Outputs outputs) {
  DL_CHECK(!image_rgb.empty());
  net.eval();
  return net.run(images_to_tensor({to_working_size(options.input, image_rgb)}).to(device), outputs);
}

}  // namespace

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

torch::Tensor predict_logits(SegmentationNet& net, const EngineOptions& options, torch::Device device,
                             const cv::Mat& image_rgb) {
  torch::NoGradGuard no_grad;
  const auto output = run(net, options, device, image_rgb, Outputs::main);
  return upsample(output.logits_nchw, image_rgb.rows, image_rgb.cols).squeeze(0);
}

Prediction predict(SegmentationNet& net, const EngineOptions& options, torch::Device device,
                   const cv::Mat& image_rgb, Want want) {
  torch::NoGradGuard no_grad;
  const bool features = want == Want::probabilities_and_features;
  const auto output =
      run(net, options, device, image_rgb, features ? Outputs::main_and_features : Outputs::main);
  Prediction prediction;
  prediction.prob_chw =
      torch::softmax(upsample(output.logits_nchw, image_rgb.rows, image_rgb.cols).squeeze(0), 0);
  if (features)
    prediction.feature_dhw = torch::avg_pool2d(output.features_ndhw, 2, 2, 0, /*ceil_mode=*/true).squeeze(0);
  return prediction;
}

torch::Tensor frame_feature(SegmentationNet& net, const EngineOptions& options, torch::Device device,
                            const cv::Mat& image_rgb) {
  torch::NoGradGuard no_grad;
  const auto cells = run(net, options, device, image_rgb, Outputs::main_and_features).features_ndhw[0];
  const auto unit = cells / cells.norm(2, 0, true).clamp_min(1e-12);
  const auto mean = unit.mean({1, 2}).to(torch::kFloat32);
  return (mean / mean.norm().clamp_min(1e-12)).cpu().contiguous();
}

cv::Mat predict_label(SegmentationNet& net, const EngineOptions& options, torch::Device device,
                      const cv::Mat& image_rgb) {
  const auto ids =
      predict_logits(net, options, device, image_rgb).argmax(0).to(torch::kUInt8).cpu().contiguous();
  const cv::Mat label(image_rgb.rows, image_rgb.cols, CV_8UC1, ids.data_ptr());
  config::TrainIdTable fold = config::label_space(options.label_space).fold;
  for (std::size_t id = 0; id < config::kClasses; ++id)
    if (fold[id] == config::kIgnore) fold[id] = static_cast<std::uint8_t>(id);
  return config::map_labels(label, fold);
}

}  // namespace driftloop::adapt
