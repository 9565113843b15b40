// pixelpick (Shin, Xie and Albanie, ICCV 2021 workshop): single pixels, drawn by lot from the share of each
// frame's pixels where the two most probable classes are closest. Published with 10 of each frame and round:
// budget pixels_per_frame: 10. Over a pool without such a limit the draw is over the uncertain pixels of all
// frames. The others of a frame come after all uncertain ones.
#include "adapt/acquisition/pixelpick.h"

#include <ATen/ATen.h>

#include "adapt/acquisition/pixel_maps.h"
#include "adapt/acquisition/window_strategy.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {
class PixelPick final : public WindowStrategy {
 public:
  explicit PixelPick(const PixelPickOptions& options) : options_(options) {}
  std::optional<at::Tensor> score_map(const Prediction& prediction, int) override {
    return margin(prediction);
  }

 private:
  static at::Tensor margin(const Prediction& prediction) {
    return pixel_maps(prediction, Map::margin).margin_hw.to(at::kCPU).contiguous();
  }
  int side_px(int) const override { return 1; }
  at::Tensor window_scores(const FrameFacts& frame, const Prediction& prediction,
                           const SelectRequest& request) const override {
    const auto margin_hw = margin(prediction);
    const auto pixels = margin_hw.numel();
    const auto uncertain = std::max<std::int64_t>(
        1, static_cast<std::int64_t>(options_.uncertain_share * static_cast<double>(pixels)));
    const auto least = std::get<0>(margin_hw.flatten().kthvalue(pixels - uncertain + 1)).item<float>();
    auto score = at::empty_like(margin_hw);
    config::Random rng(config::hash_text(frame.id, request.seed));
    const auto* margin = margin_hw.const_data_ptr<float>();
    auto* value = score.data_ptr<float>();
    for (std::int64_t i = 0; i < pixels; ++i)
      value[i] = config::unit_float(rng.next()) - (margin[i] < least ? 1.0F : 0.0F);
    return score;
  }

  PixelPickOptions options_;
};
}  // namespace

void describe(config::Fields& f, PixelPickOptions& o) {
  f.field("uncertain_share", o.uncertain_share, {0, 1},
          "share of a frame's pixels that the lot is drawn among");
}

std::unique_ptr<Strategy> make_pixelpick(const PixelPickOptions& options) {
  return std::make_unique<PixelPick>(options);
}

}  // namespace driftloop::adapt
