// image_entropy: whole images by mean normalised entropy, a quota per city (Guan & Yuan 2023).
#include <ATen/ATen.h>

#include "adapt/acquisition/image_strategy.h"
#include "adapt/acquisition/pixel_maps.h"
#include "adapt/acquisition/strategies.h"
#include "adapt/acquisition/window_strategy.h"

namespace driftloop::adapt {
namespace {
class ImageEntropy final : public ImageStrategy {
 public:
  ImageEntropy() : ImageStrategy(Strata::by_group) {}
  std::optional<at::Tensor> score_map(const Prediction& prediction, int) override {
    return pixel_maps(prediction, Map::entropy).entropy_hw.to(at::kCPU);
  }

 private:
  double image_score(const std::string&, const Prediction& prediction, const SelectRequest&) const override {
    return pixel_maps(prediction, Map::entropy).entropy_hw.mean().item<double>();
  }
};
}  // namespace

std::unique_ptr<Strategy> make_image_entropy(const config::NoOptions&) {
  return std::make_unique<ImageEntropy>();
}

}  // namespace driftloop::adapt
