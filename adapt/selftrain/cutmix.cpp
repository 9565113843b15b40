#include "adapt/selftrain/cutmix.h"

#include <cmath>

namespace driftloop::adapt {

void cutmix(at::Tensor& image_nhwc, PseudoBatch& pseudo, double share, config::Random& random) {
  const std::int64_t n = image_nhwc.size(0), height = image_nhwc.size(1), width = image_nhwc.size(2);
  if (share <= 0 || n < 2) return;
  const auto image = image_nhwc.clone(), label = pseudo.label_nhw.clone(),
             confidence = pseudo.confidence_nhw.clone();
  for (std::int64_t i = 0; i < n; ++i) {
    // A box of the wanted area with a random aspect that still fits.
    const double stretch = random.uniform(std::sqrt(share), 1.0);
    const bool tall = random.chance(0.5);
    const auto box_h =
        static_cast<std::int64_t>(static_cast<double>(height) * (tall ? stretch : share / stretch));
    const auto box_w =
        static_cast<std::int64_t>(static_cast<double>(width) * (tall ? share / stretch : stretch));
    const auto y = random.between<std::int64_t>(0, height - box_h);
    const auto x = random.between<std::int64_t>(0, width - box_w);
    const auto paste = [&](at::Tensor& to, const at::Tensor& from) {
      to[i]
          .narrow(0, y, box_h)
          .narrow(1, x, box_w)
          .copy_(from[(i + 1) % n].narrow(0, y, box_h).narrow(1, x, box_w));
    };
    paste(image_nhwc, image);
    paste(pseudo.label_nhw, label);
    paste(pseudo.confidence_nhw, confidence);
  }
}

}  // namespace driftloop::adapt
