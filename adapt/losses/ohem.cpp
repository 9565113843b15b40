#include "adapt/losses/ohem.h"

#include <algorithm>

#include "config/label_space.h"

namespace driftloop::adapt {

torch::Tensor ohem_cross_entropy(const torch::Tensor& logits_nchw, const torch::Tensor& label_nhw,
                                 const OhemOptions& options) {
  const auto log_prob = torch::log_softmax(logits_nchw, 1);
  const auto valid = label_nhw != static_cast<std::int64_t>(config::kIgnore);
  // Minus the log probability of the true class, where there is one.
  const auto loss =
      -log_prob.gather(1, label_nhw.masked_fill(~valid, 0).unsqueeze(1)).squeeze(1).masked_select(valid);
  const std::int64_t count = loss.numel();
  if (count == 0) return logits_nchw.sum() * 0;
  if (count < options.min_kept) return loss.mean();
  const auto prob = (-loss).detach().exp();
  const double hardest = std::get<0>(prob.kthvalue(options.min_kept)).item<double>();
  return loss.masked_select(prob <= std::max(options.threshold, hardest)).mean();
}

}  // namespace driftloop::adapt
