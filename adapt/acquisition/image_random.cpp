// image_random: whole random images over the pool, the papers' control; the teacher is not run.
#include "adapt/acquisition/image_strategy.h"
#include "adapt/acquisition/seeded_rng.h"
#include "adapt/acquisition/strategies.h"

namespace driftloop::adapt {
namespace {
class ImageRandom final : public ImageStrategy {
 public:
  ImageRandom() : ImageStrategy(Strata::none) {}

 private:
  std::optional<double> image_score(PoolView& pool, std::size_t index,
                                    const SelectRequest& request) override {
    return static_cast<double>(unit_float(hash_text(pool.frame_id(index), request.seed)));
  }
};
}  // namespace

std::unique_ptr<Strategy> make_image_random() {
  return std::make_unique<ImageRandom>();
}

}  // namespace driftloop::adapt
