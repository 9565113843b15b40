#include "adapt/losses/ohem.h"

#include "adapt/losses/pixel_loss.h"
#include "adapt/losses/rank_mean.h"
#include "config/label_space.h"

namespace driftloop::adapt {

at::Tensor ohem_cross_entropy(const at::Tensor& logits_nchw, const at::Tensor& label_nhw,
                              const OhemOptions& options, const at::Tensor& weight_c, Corners corners,
                              const Ranks& ranks) {
  auto loss = pixel_losses(logits_nchw, label_nhw, corners);
  auto kept = label_nhw != static_cast<std::int64_t>(config::kIgnore);
  if (options.threshold < 1 && label_nhw.numel() >= options.min_kept) {
    constexpr double kNever = 2;  // so that with too few labelled pixels all of them are kept
    const auto prob = (-loss).detach().exp().masked_fill(~kept, kNever);
    const auto hardest = std::get<0>(prob.flatten().kthvalue(options.min_kept));
    kept = kept & (prob <= hardest.clamp_min(options.threshold));
  }
  if (weight_c.defined())
    loss = loss * weight_c.index_select(0, label_nhw.clamp_max(weight_c.numel() - 1).flatten())
                      .view_as(label_nhw)
                      .to(loss.scalar_type());
  return mean_over_ranks(loss.masked_fill(~kept, 0).sum(), kept.sum(), 1, ranks);
}

at::Tensor class_probability_sums(const at::Tensor& logits_nchw, const at::Tensor& label_nhw,
                                  Corners corners) {
  const torch::NoGradGuard no_grad;
  const std::int64_t classes = logits_nchw.size(1);
  const auto prob = (-pixel_losses(logits_nchw, label_nhw, corners)).exp().to(at::kDouble).flatten();
  const auto label = label_nhw.clamp_max(classes).flatten();  // what has none goes into a row of its own
  const auto sums = at::zeros({2, classes + 1}, prob.options());
  sums[0].index_add_(0, label, prob);
  sums[1].index_add_(0, label, at::ones_like(prob));
  return sums.narrow(1, 0, classes);
}

}  // namespace driftloop::adapt
