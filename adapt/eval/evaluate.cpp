#include "adapt/eval/evaluate.h"

#include <chrono>
#include <opencv2/core.hpp>

#include "adapt/eval/confusion.h"
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

Evaluation evaluate(const PlacedNet& net, const Dataset& dataset, std::stop_token stop) {
  using Clock = std::chrono::steady_clock;
  const auto& space = config::label_space(net.spec().label_space);
  Confusion confusion(config::kClasses);
  Evaluation evaluation;
  for (; evaluation.images < static_cast<std::int64_t>(dataset.size()) && !stop.stop_requested();
       ++evaluation.images) {
    const auto [image, label] = labelled_image(dataset, static_cast<std::size_t>(evaluation.images));
    const auto start = Clock::now();
    const cv::Mat seen = net.label(image);
    evaluation.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    count(confusion, seen, config::map_labels(label, space.fold));
  }
  evaluation.miou = confusion.miou(space.scored);
  for (int id : space.scored)
    evaluation.class_iou.emplace_back(config::class_names()[static_cast<std::size_t>(id)], confusion.iou(id));
  return evaluation;
}

}  // namespace driftloop::adapt
