// ripu: impurity x uncertainty of the region itself. ripu_pixel: the same over a large window around a single
// pixel.
#include <ATen/ATen.h>

#include "adapt/acquisition/region_score.h"
#include "adapt/acquisition/strategies.h"
#include "adapt/acquisition/window_strategy.h"

namespace driftloop::adapt {
namespace {

class Ripu final : public WindowStrategy {
 public:
  std::optional<at::Tensor> score_map(const Prediction& prediction,
                                      const AcquisitionOptions& options) override {
    return region_score(prediction.prob_chw, options.region_px, Border::clipped).score;
  }

 private:
  at::Tensor window_scores(const FrameFacts&, const Prediction& prediction,
                           const SelectRequest& request) const override {
    return region_score(prediction.prob_chw, request.options.region_px, Border::inside).score;
  }
};

class RipuPixel final : public WindowStrategy {
 public:
  std::optional<at::Tensor> score_map(const Prediction& prediction,
                                      const AcquisitionOptions& options) override {
    return pixel_scores(prediction, options);
  }

 private:
  static at::Tensor pixel_scores(const Prediction& prediction, const AcquisitionOptions& options) {
    return region_score(prediction.prob_chw, 2 * options.score_radius_px + 1, Border::clipped).score;
  }
  int side_px(const AcquisitionOptions&) const override { return 1; }
  at::Tensor window_scores(const FrameFacts&, const Prediction& prediction,
                           const SelectRequest& request) const override {
    return pixel_scores(prediction, request.options);
  }
};

}  // namespace

std::unique_ptr<Strategy> make_ripu() {
  return std::make_unique<Ripu>();
}
std::unique_ptr<Strategy> make_ripu_pixel() {
  return std::make_unique<RipuPixel>();
}

}  // namespace driftloop::adapt
