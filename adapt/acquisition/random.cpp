// random: the control to beat. Every window draws a number from (seed, frame id, place); the teacher is not
// run.
#include <ATen/ATen.h>

#include "adapt/acquisition/seeded_rng.h"
#include "adapt/acquisition/strategies.h"
#include "adapt/acquisition/window.h"
#include "adapt/acquisition/window_strategy.h"

namespace driftloop::adapt {
namespace {
class Random final : public WindowStrategy {
  std::optional<at::Tensor> window_scores(PoolView& pool, std::size_t index,
                                          const SelectRequest& request) override {
    const cv::Size size = pool.frame_size(index);
    const WindowGrid grid(size.height, size.width, request.options.region_px, Border::inside);
    auto score = at::empty({grid.out_height, grid.out_width}, at::kFloat);
    SeededRng rng(hash_text(pool.frame_id(index), request.seed));
    auto* value = score.data_ptr<float>();
    for (std::int64_t i = 0; i < score.numel(); ++i) value[i] = unit_float(rng.next());
    return score;
  }
};
}  // namespace

std::unique_ptr<Strategy> make_random() {
  return std::make_unique<Random>();
}

}  // namespace driftloop::adapt
