#include "adapt/losses/ohem.h"

#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr std::int64_t kSparse = 4;  // with fewer than one labelled pixel in so many the others are left out

}  // namespace

LabelledLosses labelled_losses(const at::Tensor& logits_nchw, const at::Tensor& label_nhw) {
  const auto valid = label_nhw != static_cast<std::int64_t>(config::kIgnore);
  const auto label = label_nhw.masked_select(valid);
  if (label.numel() * kSparse < label_nhw.numel()) {
    const auto at = valid.flatten().nonzero().squeeze(1);
    const auto rows =
        logits_nchw.permute({0, 2, 3, 1}).reshape({-1, logits_nchw.size(1)}).index_select(0, at);
    return {-torch::log_softmax(rows, 1).gather(1, label.unsqueeze(1)).squeeze(1), label};
  }
  const auto known = label_nhw.masked_fill(~valid, 0).unsqueeze(1);
  return {-torch::log_softmax(logits_nchw, 1).gather(1, known).squeeze(1).masked_select(valid), label};
}

at::Tensor ohem_cross_entropy(const at::Tensor& logits_nchw, const at::Tensor& label_nhw,
                              const OhemOptions& options, const at::Tensor& weight_c) {
  auto [loss, label] = labelled_losses(logits_nchw, label_nhw);
  const std::int64_t count = loss.numel();
  if (count == 0) return logits_nchw.sum() * 0;
  const auto prob = (-loss).detach().exp();
  if (weight_c.defined()) loss = loss * weight_c.index_select(0, label);
  if (count < options.min_kept || options.threshold >= 1) return loss.mean();
  const auto hardest = std::get<0>(prob.kthvalue(options.min_kept));
  return loss.masked_select(prob <= hardest.clamp_min(options.threshold)).mean();
}

at::Tensor class_probability_sums(const at::Tensor& logits_nchw, const at::Tensor& label_nhw) {
  const torch::NoGradGuard no_grad;
  const auto [loss, label] = labelled_losses(logits_nchw, label_nhw);
  const auto sums = at::zeros({2, logits_nchw.size(1)}, logits_nchw.options().dtype(at::kDouble));
  const auto prob = (-loss).exp().to(at::kDouble);
  sums[0].index_add_(0, label, prob);
  sums[1].index_add_(0, label, at::ones_like(prob));
  return sums;
}

}  // namespace driftloop::adapt
