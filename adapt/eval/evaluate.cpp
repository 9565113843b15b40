#include "adapt/eval/evaluate.h"

#include <map>
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

GuardScores guard_scores(const PlacedNet& live, const PlacedNet& candidate, const FramePool& pool,
                         const TargetLabels& labels, int max_regions) {
  std::vector<const AskedRegion*> guard;  // as they were asked, the oldest first
  for (const auto& [region_id, asked] : labels.asked())
    if (asked.purpose == Purpose::guard && asked.label_pixels > 0) guard.push_back(&asked);
  const auto most = static_cast<std::size_t>(max_regions);
  if (most > 0 && guard.size() > most) guard.erase(guard.begin(), guard.end() - max_regions);
  std::map<std::string, std::vector<const AskedRegion*>> by_frame;
  for (const AskedRegion* asked : guard) by_frame[asked->region.frame_id].push_back(asked);
  GuardScores scores;
  for (const auto& [id, regions] : by_frame) {
    const cv::Mat image = pool.image_rgb(id);
    if (image.empty()) continue;
    const cv::Mat by_live = live.label(image), by_candidate = candidate.label(image);
    for (const AskedRegion* asked : regions) {
      const cv::Mat label = TargetLabels::label_of(*asked);
      const auto labelled = static_cast<double>(asked->label_pixels);
      const auto right = [&](const cv::Mat& prediction) {
        return cv::countNonZero(prediction(asked->region.box_px) == label) / labelled;
      };
      scores.live.push_back(right(by_live));
      scores.candidate.push_back(right(by_candidate));
    }
  }
  return scores;
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
