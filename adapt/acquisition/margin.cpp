// margin: 1 - (p of the most probable class - p of the second), mean over the region.
#include "adapt/acquisition/pixel_maps.h"
#include "adapt/acquisition/strategies.h"
#include "adapt/acquisition/window_strategy.h"

namespace driftloop::adapt {
namespace {
class Margin final : public ScoreStrategy {
  at::Tensor pixel_score(const Prediction& prediction) const override {
    return pixel_maps(prediction, Map::margin).margin_hw;
  }
};
}  // namespace

std::unique_ptr<Strategy> make_margin(const config::NoOptions&) {
  return std::make_unique<Margin>();
}

}  // namespace driftloop::adapt
