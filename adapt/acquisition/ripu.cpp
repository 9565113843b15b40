// ripu: impurity x uncertainty of the region itself. ripu_pixel: the same over a large window around a single
// pixel; as in the published code a pixel that was asked keeps that window to itself, in all rounds, so that
// neighbours of nearly the same score do not follow it. Where a pool has no pixel left that is far enough
// from all others, fewer are asked than the budget pays.
#include "adapt/acquisition/ripu.h"

#include <ATen/ATen.h>

#include "adapt/acquisition/region_score.h"
#include "adapt/acquisition/window_strategy.h"

namespace driftloop::adapt {
namespace {

class Ripu final : public WindowStrategy {
 public:
  std::optional<at::Tensor> score_map(const Prediction& prediction, int region_px) override {
    return score_alone(prediction, region_px, Border::clipped);
  }

 private:
  at::Tensor window_scores(const FrameFacts&, const Prediction& prediction,
                           const SelectRequest& request) const override {
    return score_alone(prediction, request.region_px, Border::inside);
  }
};

class RipuPixel final : public WindowStrategy {
 public:
  explicit RipuPixel(const RipuPixelOptions& options) : options_(options) {}
  std::optional<at::Tensor> score_map(const Prediction& prediction, int) override {
    return pixel_scores(prediction);
  }

 private:
  at::Tensor pixel_scores(const Prediction& prediction) const {
    return score_alone(prediction, 2 * options_.radius_px + 1, Border::clipped);
  }
  int side_px(int) const override { return 1; }
  int apart_px(int) const override { return options_.radius_px + 1; }
  at::Tensor window_scores(const FrameFacts&, const Prediction& prediction,
                           const SelectRequest&) const override {
    return pixel_scores(prediction);
  }

  RipuPixelOptions options_;
};

}  // namespace

void describe(config::Fields& f, RipuPixelOptions& o) {
  f.field(
      "radius_px", o.radius_px, {0, (kMaxRegionPx - 1) / 2},
      "half side of the window that a pixel's score looks at, and that it keeps to itself once asked, px");
}

std::unique_ptr<Strategy> make_ripu(const config::NoOptions&) {
  return std::make_unique<Ripu>();
}
std::unique_ptr<Strategy> make_ripu_pixel(const RipuPixelOptions& options) {
  return std::make_unique<RipuPixel>(options);
}

}  // namespace driftloop::adapt
