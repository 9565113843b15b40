// margin: 1 - (p of the most probable class - p of the second), mean over the region.
#include <ATen/ATen.h>

#include "adapt/acquisition/strategies.h"
#include "adapt/acquisition/window_strategy.h"

namespace driftloop::adapt {
namespace {
class Margin final : public ScoreStrategy {
  at::Tensor pixel_score(const at::Tensor& prob_chw) const override {
    const auto best = std::get<0>(prob_chw.topk(2, 0));
    return 1 - (best[0] - best[1]);
  }
};
}  // namespace

std::unique_ptr<Strategy> make_margin() {
  return std::make_unique<Margin>();
}

}  // namespace driftloop::adapt
