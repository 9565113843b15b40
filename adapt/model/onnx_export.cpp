// Model::export_onnx: what comes before and after the net in the graph, and what the file says of itself.
#include <ATen/ATen.h>

#include <algorithm>
#include <opencv2/core.hpp>

#include "adapt/data/augment.h"
#include "adapt/model.h"
#include "adapt/model/onnx_operations.h"
#include "adapt/model/placed_net.h"
#include "adapt/out_of_memory.h"
#include "adapt/preprocessing.h"
#include "config/check.h"
#include "config/label_space.h"
#include "config/layers.h"

namespace driftloop::adapt {
namespace {

constexpr const char* kImage = "image";
constexpr const char* kLogits = "logits";
constexpr const char* kLabels = "labels";

/// (1, 3, 1, 1), for values 0..255.
at::Tensor channels(const std::array<float, 3>& values) {
  return at::tensor({values[0], values[1], values[2]}).reshape({1, 3, 1, 1});
}

std::string put_input(OnnxGraph& graph, const SegmentationNet& net, const OnnxOptions& o) {
  const std::int64_t batch = o.batch == OnnxBatch::one ? 1 : -1;
  const std::int64_t height = o.size_px.height, width = o.size_px.width;
  std::string pixels = kImage;
  if (o.input == OnnxInput::rgb8_nhwc) {
    graph.input({kImage, OnnxType::uint8, {batch, height, width, 3}});
    pixels = graph.add({.type = "Cast", .inputs = {pixels}, .attributes = {{"to", std::int64_t{1}}}});
    pixels = graph.add({.type = "Transpose",
                        .inputs = {pixels},
                        .attributes = {{"perm", std::vector<std::int64_t>{0, 3, 1, 2}}}});
  } else {
    graph.input({kImage, OnnxType::float32, {batch, 3, height, width}});
  }
  const Normalisation n = net.normalisation();
  pixels = graph.add(
      {.type = "Sub", .inputs = {pixels, graph.weight("normalisation.mean", onnx_data(channels(n.mean)))}});
  return graph.add(
      {.type = "Div", .inputs = {pixels, graph.weight("normalisation.std", onnx_data(channels(n.std)))}});
}

/// (classes) uint8: what PlacedNet::folded makes of each class.
at::Tensor folded_ids(const PlacedNet& placed) {
  const auto ids = at::arange(config::kClasses, at::kByte).reshape({1, config::kClasses});
  const cv::Mat folded = placed.folded(ids);
  return at::from_blob(folded.data, {config::kClasses}, at::kByte).clone();
}

void put_output(OnnxGraph& graph, OnnxTranslation& net, const std::string& small, const PlacedNet& placed,
                const OnnxOptions& o) {
  const std::int64_t batch = o.batch == OnnxBatch::one ? 1 : -1;
  const std::int64_t classes = config::kClasses, height = o.size_px.height, width = o.size_px.width;
  OnnxNode resize =
      onnx_resize(small, net.sizes_for(small, {classes, height, width}), placed.net().corners());
  resize.name = kLogits;
  const auto logits = graph.add(resize);
  if (o.output == OnnxOutput::logits) {
    graph.output({kLogits, OnnxType::float32, {batch, classes, height, width}});
    return;
  }
  const auto ids = graph.add({.type = "ArgMax",
                              .inputs = {logits},
                              .attributes = {{"axis", std::int64_t{1}}, {"keepdims", std::int64_t{0}}}});
  graph.add({.type = "Gather",
             .inputs = {graph.weight("label_space.fold", onnx_data(folded_ids(placed))), ids},
             .name = kLabels});
  graph.output({kLabels, OnnxType::uint8, {batch, height, width}});
}

std::map<std::string, std::string> about(const ModelSpec& spec) {
  std::string classes;
  for (const auto& name : config::class_names()) {
    if (!classes.empty()) classes += ',';
    classes += name;
  }
  return {{"model", config::to_yaml(spec.net)},
          {"label_space", spec.label_space},
          {"classes", classes},
          {"work_long_side_px", std::to_string(spec.work_long_side_px)}};
}

}  // namespace

cv::Size onnx_size(cv::Size frame, int work_long_side_px) {
  if (frame.empty())
    frame =
        work_long_side_px > 0 ? cv::Size(16 * work_long_side_px, 9 * work_long_side_px) : cv::Size(1280, 720);
  return working_size(work_long_side_px, frame);
}

void Model::export_onnx(const std::filesystem::path& file, const OnnxOptions& options) const {
  if (options.size_px.width < kLeastSidePx || options.size_px.height < kLeastSidePx)
    throw Error("cannot export a net for images of " + std::to_string(options.size_px.width) + "x" +
                std::to_string(options.size_px.height) + ": both sides must be " +
                std::to_string(kLeastSidePx) + " px at least");
  needing_memory("export the net", net_->device(), [&] {
    SegmentationNet& net = net_->net();
    const auto image =
        at::zeros({1, 3, options.size_px.height, options.size_px.width}, at::device(net_->device()));
    const OnnxTrace trace = trace_net(net, image);
    OnnxGraph graph;
    OnnxTranslation translation(trace, graph, options.batch);
    const auto small = translation.run(put_input(graph, net, options));
    put_output(graph, translation, small, *net_, options);
    graph.write(file, about(spec()));
  });
}

}  // namespace driftloop::adapt
