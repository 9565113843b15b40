#include "adapt/selftrain/pseudo_label.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>

#include "config/check.h"
#include "config/label_space.h"
#include "config/name_table.h"

namespace driftloop::adapt {
namespace {
constexpr double kLogEpsilon = 1e-10;  // the published code's, and the golden cases'
}

PseudoLabelRule pseudo_label_rule(std::string_view name) {
  if (name == "paper") return PseudoLabelRule::paper;
  if (name == "as_released") return PseudoLabelRule::as_released;
  config::throw_unknown_name("pseudo-label rule", name, {"paper", "as_released"});
}

at::Tensor pseudo_label_entropy(const at::Tensor& prob_nchw) {
  DL_CHECK(prob_nchw.dim() == 4, prob_nchw.sizes());
  const c10::NoGradGuard no_grad;
  return (prob_nchw + kLogEpsilon).log_().mul_(prob_nchw).sum(1).neg_();
}

double dropped_percent(double progress, double start) {
  return start * (1.0 - std::clamp(progress, 0.0, 1.0));
}

double percentile(const at::Tensor& values, double percent) {
  DL_CHECK(values.numel() > 0 && percent >= 0 && percent <= 100, values.numel(), percent);
  const auto flat = values.reshape({-1});
  const double rank = percent / 100.0 * static_cast<double>(flat.numel() - 1);
  const auto below = static_cast<std::int64_t>(std::floor(rank));
  const auto value_at = [&](std::int64_t k) { return std::get<0>(flat.kthvalue(k + 1)).item<double>(); };
  const double low = value_at(below);
  const double share = rank - static_cast<double>(below);
  return share == 0 ? low : low + share * (value_at(below + 1) - low);
}

PseudoLabels make_pseudo_labels(const at::Tensor& prob_nchw, double percent, PseudoLabelRule rule) {
  DL_CHECK(percent >= 0 && percent <= 100, percent);
  const c10::NoGradGuard no_grad;
  PseudoLabels result;
  result.entropy_nhw = pseudo_label_entropy(prob_nchw);
  std::tie(result.confidence_nhw, result.label_nhw) = prob_nchw.max(1);
  // At a_t = 0 the rule's strict H < max would still drop the most uncertain pixel; nothing is to be dropped
  // then.
  if (percent == 0) return result;
  const auto dropped = rule == PseudoLabelRule::paper
                           ? result.entropy_nhw.ge(percentile(result.entropy_nhw, 100 - percent))
                           : result.entropy_nhw.lt(percentile(result.entropy_nhw, percent));
  result.label_nhw.masked_fill_(dropped, config::kIgnore);
  return result;
}

}  // namespace driftloop::adapt
