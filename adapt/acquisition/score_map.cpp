#include "adapt/acquisition/score_map.h"

#include "adapt/acquisition/strategy.h"
#include "adapt/model/placed_net.h"
#include "adapt/out_of_memory.h"

namespace driftloop::adapt {

cv::Mat score_map(const Model& model, const config::Chosen& strategy, int region_px,
                  const cv::Mat& image_rgb) {
  const PlacedNet& net = *model.placed();
  return needing_memory("score a frame", net.device(), [&] {
    const auto prediction = net.predict(image_rgb, Want::probabilities_and_features);
    const auto score = make_strategy(strategy)->score_map(prediction, region_px);
    if (!score) return cv::Mat();
    const auto dense = score->to(at::kFloat).cpu().contiguous();
    return cv::Mat(image_rgb.size(), CV_32FC1, dense.data_ptr()).clone();
  });
}

}  // namespace driftloop::adapt
