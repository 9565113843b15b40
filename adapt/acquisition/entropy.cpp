// entropy: the teacher's normalised entropy, mean over the region.
#include "adapt/acquisition/pixel_maps.h"
#include "adapt/acquisition/strategies.h"
#include "adapt/acquisition/window_strategy.h"

namespace driftloop::adapt {
namespace {
class Entropy final : public ScoreStrategy {
  at::Tensor pixel_score(const Prediction& prediction) const override {
    return pixel_maps(prediction, Map::entropy).entropy_hw;
  }
};
}  // namespace

std::unique_ptr<Strategy> make_entropy(const config::NoOptions&) {
  return std::make_unique<Entropy>();
}

}  // namespace driftloop::adapt
