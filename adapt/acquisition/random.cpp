// random: the control to beat. Every window draws a number from (seed, frame id, place); the teacher is not
// run.
#include <ATen/ATen.h>

#include "adapt/acquisition/strategies.h"
#include "adapt/acquisition/window.h"
#include "adapt/acquisition/window_strategy.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {
class Random final : public WindowStrategy {
  Want want() const override { return Want::nothing; }
  at::Tensor window_scores(const FrameFacts& frame, const Prediction&,
                           const SelectRequest& request) const override {
    const WindowGrid grid(frame.size_px.height, frame.size_px.width, request.region_px, Border::inside);
    auto score = at::empty({grid.out_height, grid.out_width}, at::kFloat);
    config::Random rng(config::hash_text(frame.id, request.seed));
    auto* value = score.data_ptr<float>();
    for (std::int64_t i = 0; i < score.numel(); ++i) value[i] = config::unit_float(rng.next());
    return score;
  }
};
}  // namespace

std::unique_ptr<Strategy> make_random(const config::NoOptions&) {
  return std::make_unique<Random>();
}

}  // namespace driftloop::adapt
