#include "adapt/selftrain/consistency.h"

#include <cmath>

#include "config/label_space.h"

namespace driftloop::adapt {
using torch::indexing::Slice;

torch::Tensor consistency_loss(const torch::Tensor& student_nchw, const PseudoBatch& pseudo,
                               double confidence_power) {
  const auto kept = pseudo.label_nhw != static_cast<std::int64_t>(config::kIgnore);
  const auto weight = pseudo.confidence_nhw.pow(confidence_power);
  const auto loss = -torch::log_softmax(student_nchw, 1)
                         .gather(1, pseudo.label_nhw.masked_fill(~kept, 0).unsqueeze(1))
                         .squeeze(1);
  return (loss * weight * kept).sum() / weight.sum();
}

void cutmix(torch::Tensor& image_nchw, PseudoBatch& pseudo, double share, std::mt19937_64& random) {
  const std::int64_t n = image_nchw.size(0), height = image_nchw.size(2), width = image_nchw.size(3);
  if (share <= 0 || n < 2) return;
  const auto image = image_nchw.clone(), label = pseudo.label_nhw.clone(),
             confidence = pseudo.confidence_nhw.clone();
  for (std::int64_t i = 0; i < n; ++i) {
    // A box of the wanted area with a random aspect that still fits.
    const double stretch = std::uniform_real_distribution<double>(std::sqrt(share), 1.0)(random);
    const bool tall = std::uniform_int_distribution<int>(0, 1)(random) == 1;
    const auto box_h =
        static_cast<std::int64_t>(static_cast<double>(height) * (tall ? stretch : share / stretch));
    const auto box_w =
        static_cast<std::int64_t>(static_cast<double>(width) * (tall ? share / stretch : stretch));
    const std::int64_t y = std::uniform_int_distribution<std::int64_t>(0, height - box_h)(random);
    const std::int64_t x = std::uniform_int_distribution<std::int64_t>(0, width - box_w)(random);
    const std::int64_t from = (i + 1) % n;
    const auto rows = Slice(y, y + box_h), columns = Slice(x, x + box_w);
    image_nchw.index_put_({i, Slice(), rows, columns}, image.index({from, Slice(), rows, columns}));
    pseudo.label_nhw.index_put_({i, rows, columns}, label.index({from, rows, columns}));
    pseudo.confidence_nhw.index_put_({i, rows, columns}, confidence.index({from, rows, columns}));
  }
}

}  // namespace driftloop::adapt
