// image_random: whole random images over the pool, the papers' control; the teacher is not run.
#include "adapt/acquisition/image_strategy.h"
#include "adapt/acquisition/strategies.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {
class ImageRandom final : public ImageStrategy {
 public:
  ImageRandom() : ImageStrategy(Strata::none) {}

 private:
  Want want() const override { return Want::nothing; }
  double image_score(const std::string& frame_id, const Prediction&,
                     const SelectRequest& request) const override {
    return static_cast<double>(config::unit_float(config::hash_text(frame_id, request.seed)));
  }
};
}  // namespace

std::unique_ptr<Strategy> make_image_random(const config::NoOptions&) {
  return std::make_unique<ImageRandom>();
}

}  // namespace driftloop::adapt
