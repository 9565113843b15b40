#include "adapt/model.h"

#include <torch/cuda.h>
#include <torch/version.h>

#include "adapt/acquisition/pixel_maps.h"
#include "adapt/eval/evaluate.h"
#include "adapt/model/placed_net.h"
#include "adapt/model/weights.h"
#include "adapt/out_of_memory.h"
#include "config/check.h"
#include "config/digest.h"
#include "config/layers.h"

namespace driftloop::adapt {
namespace {

ModelSpec spec_of(const TensorFile& content, const std::filesystem::path& file) {
  const auto& told = content.metadata;
  if (!told.contains("model") || !told.contains("work_long_side_px"))
    throw Error(
        file.string() +
        " does not say which net it is of (no 'model' in its metadata); was it written by driftloop?");
  ModelSpec spec;
  config::apply_text(told.at("model"), file.string(), spec.net);
  spec.work_long_side_px = std::stoi(told.at("work_long_side_px"));
  if (const auto space = told.find("label_space"); space != told.end()) spec.label_space = space->second;
  return spec;
}

TensorFile read_weights(const std::filesystem::path& file) {
  return needing_memory("read " + file.string(), torch::kCPU, [&] { return read_safetensors(file); });
}

void use_threads(int threads) {
  if (threads > 0) torch::set_num_threads(threads);
}

}  // namespace

Model::Model(std::shared_ptr<PlacedNet> net) : net_(std::move(net)) {}

Model::Model(const ModelSpec& spec, const RunsOn& where, std::uint64_t seed) {
  use_threads(where.threads);
  net_ = needing_memory("build the net", torch::kCPU, [&] {
    return std::make_shared<PlacedNet>(spec, resolve_device(where.device), seed);
  });
}

Model Model::open(const std::filesystem::path& file, const RunsOn& where) {
  const TensorFile content = read_weights(file);
  Model model(spec_of(content, file), where, 0);
  needing_memory("load " + file.string(), model.net_->device(),
                 [&] { get_net(content, "", file, model.net_->net()); });
  return model;
}

ModelSpec Model::spec_in(const std::filesystem::path& file) {
  return spec_of(read_weights(file), file);
}

const ModelSpec& Model::spec() const {
  return net_->spec();
}

Preprocessing Model::preprocessing() const {
  const SegmentationNet& net = net_->net();
  const Normalisation n = net.normalisation();
  return {n.mean, n.std, net.corners() == Corners::aligned};
}

Model Model::in_label_space(const std::string& name) const {
  auto copy = std::make_shared<PlacedNet>(*net_);
  copy->set_label_space(name);
  return Model(std::move(copy));
}

cv::Mat Model::label(const cv::Mat& image_rgb) const {
  return needing_memory("label a frame", net_->device(), [&] { return net_->label(image_rgb); });
}

FrameView Model::view(const cv::Mat& image_rgb, const EvalOptions& options) const {
  return needing_memory("look at a frame", net_->device(),
                        [&] { return view_frame(*net_, image_rgb, options); });
}

Evaluation Model::evaluate(const Dataset& dataset, const EvalOptions& options, std::stop_token stop) const {
  return needing_memory("evaluate", net_->device(),
                        [&] { return adapt::evaluate(*net_, dataset, options, stop); });
}

std::vector<float> Model::describe(const cv::Mat& image_rgb) const {
  return needing_memory("describe a frame", net_->device(), [&] {
    const auto feature = net_->frame_feature(image_rgb);
    const auto* value = feature.const_data_ptr<float>();
    return std::vector<float>(value, value + feature.numel());
  });
}

std::string Model::feature_space() const {
  return config::sha256_hex(net_->digest() + std::to_string(spec().work_long_side_px)).substr(0, 16);
}

void Model::save(const std::filesystem::path& file) const {
  needing_memory("save the weights", net_->device(), [&] {
    TensorFile content;
    put_net(net_->net(), "", content);
    content.metadata["model"] = config::to_yaml(spec().net);
    content.metadata["label_space"] = spec().label_space;
    content.metadata["work_long_side_px"] = std::to_string(spec().work_long_side_px);
    write_safetensors(file, content);
  });
}

std::string device_text(const RunsOn& where) {
  const auto device =
      needing_memory("find the device", torch::kCPU, [&] { return resolve_device(where.device); });
  if (!device.is_cpu()) return device.str();
  return "cpu, " + std::to_string(where.threads > 0 ? where.threads : torch::get_num_threads()) + " threads";
}

std::int64_t device_memory_peak(const RunsOn& where) {
  return peak_device_bytes(resolve_device(where.device));
}

void restart_memory_peak(const RunsOn& where) {
  restart_peak_device_bytes(resolve_device(where.device));
}

int visible_gpus() {
  return torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
}

std::string learner_text() {
  const int gpus = visible_gpus();
  return std::string("LibTorch ") + TORCH_VERSION +
         (at::Context::hasCUDART() ? ", with CUDA, " : ", for the CPU alone, ") +
         (gpus == 1 ? "1 GPU" : std::to_string(gpus) + " GPUs");
}

}  // namespace driftloop::adapt
