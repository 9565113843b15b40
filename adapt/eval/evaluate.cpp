#include "adapt/eval/evaluate.h"

#include <chrono>
#include <opencv2/core.hpp>

#include "adapt/acquisition/pixel_maps.h"
#include "adapt/eval/boundary.h"
#include "adapt/eval/calibration.h"
#include "adapt/eval/confusion.h"
#include "adapt/eval/views.h"
#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

torch::Tensor as_tensor(const cv::Mat& map) {
  return torch::from_blob(map.data, {map.rows, map.cols}, torch::kUInt8).to(torch::kInt64);
}

Confusion in_space(const Confusion& counts, const config::LabelSpace& space) {
  return counts.renamed(space.fold, config::prediction_fold(space));
}

}  // namespace

FrameView view_frame(const PlacedNet& net, const cv::Mat& image_rgb, const EvalOptions& options) {
  Prediction prediction;
  if (options.plain())
    prediction = net.predict(image_rgb, Want::probabilities);
  else
    prediction.prob_chw = probabilities_of_views(net, image_rgb, options);
  const auto maps = pixel_maps(prediction, Map::predicted | Map::confidence);
  const auto confidence = maps.confidence_hw.to(torch::kFloat32).cpu().contiguous();
  return {net.folded(maps.class_hw), cv::Mat(image_rgb.size(), CV_32FC1, confidence.data_ptr()).clone()};
}

Evaluation evaluate(const PlacedNet& net, const Dataset& dataset, const EvalOptions& options,
                    std::stop_token stop) {
  using Clock = std::chrono::steady_clock;
  const auto& space = config::label_space(net.spec().label_space);
  Confusion confusion(config::kClasses);  // of labels as they are
  BoundaryIou boundary(config::kClasses);
  Calibration calibration;
  Evaluation evaluation;
  for (; evaluation.images < static_cast<std::int64_t>(dataset.size()) && !stop.stop_requested();
       ++evaluation.images) {
    const auto [image, label] = labelled_image(dataset, static_cast<std::size_t>(evaluation.images));
    const auto start = Clock::now();
    const FrameView seen = view_frame(net, image, options);
    evaluation.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    confusion.add(as_tensor(seen.label), as_tensor(label.isContinuous() ? label : label.clone()));
    const cv::Mat folded = config::map_labels(label, space.fold);
    boundary.add(seen.label, folded);
    calibration.add(seen.confidence, seen.label, folded);
  }
  const Confusion own = in_space(confusion, space);
  evaluation.miou = own.miou(space.scored);
  evaluation.pixel_accuracy = own.pixel_accuracy();
  evaluation.boundary_miou = boundary.miou(space.scored);
  evaluation.calibration_error = calibration.error();
  for (const int id : space.scored) {
    const auto& name = config::class_names()[static_cast<std::size_t>(id)];
    evaluation.class_iou.emplace_back(name, own.iou(id));
    evaluation.class_boundary_iou.emplace_back(name, boundary.iou(id));
  }
  if (space.scored.size() == config::kClasses)  // nothing is folded yet: any part can be scored
    for (const auto& name : config::label_space_names()) {
      const auto& part = config::label_space(name);
      evaluation.space_miou.emplace_back(name, in_space(confusion, part).miou(part.scored));
    }
  return evaluation;
}

}  // namespace driftloop::adapt
