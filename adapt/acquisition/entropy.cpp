// entropy: the teacher's normalised entropy, mean over the region.
#include "adapt/acquisition/region_score.h"
#include "adapt/acquisition/strategies.h"
#include "adapt/acquisition/window_strategy.h"

namespace driftloop::adapt {
namespace {
class Entropy final : public ScoreStrategy {
  at::Tensor pixel_score(const at::Tensor& prob_chw) const override { return normalised_entropy(prob_chw); }
};
}  // namespace

std::unique_ptr<Strategy> make_entropy() {
  return std::make_unique<Entropy>();
}

}  // namespace driftloop::adapt
