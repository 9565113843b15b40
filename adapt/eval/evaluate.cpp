#include "adapt/eval/evaluate.h"

#include <opencv2/core.hpp>

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

torch::Tensor as_tensor(const cv::Mat& label) {
  return torch::from_blob(label.data, {label.rows, label.cols}, torch::kUInt8).to(torch::kInt64);
}

void count(Confusion& confusion, const cv::Mat& prediction, const cv::Mat& label) {
  confusion.add(as_tensor(prediction), as_tensor(label.isContinuous() ? label : label.clone()));
}

}  // namespace

Confusion confusion_over(const PlacedNet& net, const Dataset& dataset, std::stop_token stop) {
  const auto& fold = config::label_space(net.spec().label_space).fold;
  Confusion confusion(config::kClasses);
  for (std::size_t i = 0; i < dataset.size() && !stop.stop_requested(); ++i) {
    const auto [image, label] = labelled_image(dataset, i);
    count(confusion, net.label(image), config::map_labels(label, fold));
  }
  return confusion;
}

Evaluation summarise(const Confusion& confusion, const std::string& label_space, std::int64_t images) {
  const auto& space = config::label_space(label_space);
  Evaluation evaluation;
  evaluation.miou = confusion.miou(space.scored);
  evaluation.images = images;
  for (int id : space.scored)
    evaluation.class_iou.emplace_back(config::class_names()[static_cast<std::size_t>(id)], confusion.iou(id));
  return evaluation;
}

}  // namespace driftloop::adapt
