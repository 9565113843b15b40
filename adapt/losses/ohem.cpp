#include "adapt/losses/ohem.h"

#include <algorithm>

#include "config/label_space.h"

namespace driftloop::adapt {

at::Tensor ohem_cross_entropy(const at::Tensor& logits_nchw, const at::Tensor& label_nhw,
                              const OhemOptions& options, const at::Tensor& weight_c) {
  const auto log_prob = torch::log_softmax(logits_nchw, 1);
  const auto valid = label_nhw != static_cast<std::int64_t>(config::kIgnore);
  const auto known = label_nhw.masked_fill(~valid, 0);
  // Minus the log probability of the true class, where there is one.
  auto loss = -log_prob.gather(1, known.unsqueeze(1)).squeeze(1).masked_select(valid);
  const std::int64_t count = loss.numel();
  if (count == 0) return logits_nchw.sum() * 0;
  const auto prob = (-loss).detach().exp();
  if (weight_c.defined()) loss = loss * weight_c.index_select(0, known.masked_select(valid));
  if (count < options.min_kept || options.threshold >= 1) return loss.mean();
  const double hardest = std::get<0>(prob.kthvalue(options.min_kept)).item<double>();
  return loss.masked_select(prob <= std::max(options.threshold, hardest)).mean();
}

}  // namespace driftloop::adapt
