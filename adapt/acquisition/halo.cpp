// halo: hyperbolic radius x entropy (Franco et al. 2023), each scaled to 0..1 over the frame, mean over the
// region. Published: the decoder embeds pixels in a Poincare ball and classifies there. Deviation: our nets
// are Euclidean. A feature f of theirs, taken into the ball at the origin by the exponential map, lies
// 2 |f| from it in the ball's own distance, whatever the curvature; scaled to 0..1 the radius is thus that of
// the feature's norm. What the published training in the ball adds is not here.
#include <ATen/ATen.h>

#include "adapt/acquisition/pixel_maps.h"
#include "adapt/acquisition/strategies.h"
#include "adapt/acquisition/window_strategy.h"

namespace driftloop::adapt {
namespace {

at::Tensor scaled(const at::Tensor& map_hw) {
  const auto least = map_hw.min(), range = map_hw.max() - least;
  return (map_hw - least) / range.clamp_min(1e-12);
}

class Halo final : public ScoreStrategy {
 public:
  Want want() const override { return Want::probabilities_and_features; }

 private:
  at::Tensor pixel_score(const Prediction& prediction) const override {
    const auto entropy_hw = pixel_maps(prediction, Map::entropy).entropy_hw;
    const auto radius = prediction.feature_dhw.to(at::kFloat).norm(2, 0).unsqueeze(0).unsqueeze(0);
    const auto radius_hw = at::upsample_bilinear2d(radius, entropy_hw.sizes(), false).squeeze(0).squeeze(0);
    return scaled(radius_hw) * scaled(entropy_hw);
  }
};
}  // namespace

std::unique_ptr<Strategy> make_halo(const config::NoOptions&) {
  return std::make_unique<Halo>();
}

}  // namespace driftloop::adapt
