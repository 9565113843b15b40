#include "adapt/selftrain/pseudo_label.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <limits>

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

at::Tensor percentile_of_smallest(const at::Tensor& values, std::int64_t count, double percent) {
  DL_CHECK(count > 0 && count <= values.numel() && percent >= 0 && percent <= 100, count, values.numel(),
           percent);
  const auto flat = values.reshape({-1});
  const double rank = percent / 100.0 * static_cast<double>(count - 1);
  const auto below = static_cast<std::int64_t>(std::floor(rank));
  const auto value_at = [&](std::int64_t k) { return std::get<0>(flat.kthvalue(k + 1)).to(at::kDouble); };
  const auto low = value_at(below);
  const double share = rank - static_cast<double>(below);
  return share == 0 ? low : low + share * (value_at(below + 1) - low);
}

double percentile(const at::Tensor& values, double percent) {
  return percentile_of_smallest(values, values.numel(), percent).item<double>();
}

PseudoLabels make_pseudo_labels(const at::Tensor& prob_nchw, double percent, PseudoLabelRule rule,
                                const at::Tensor& padding_nhw) {
  DL_CHECK(percent >= 0 && percent <= 100, percent);
  const c10::NoGradGuard no_grad;
  PseudoLabels result;
  result.entropy_nhw = pseudo_label_entropy(prob_nchw);
  std::tie(result.confidence_nhw, result.predicted_nhw) = prob_nchw.max(1);
  std::int64_t pixels = result.entropy_nhw.numel();
  auto ranked = result.entropy_nhw;
  if (padding_nhw.defined()) {
    DL_CHECK(padding_nhw.is_cpu() && padding_nhw.sizes() == ranked.sizes(), padding_nhw.sizes());
    const auto padding = padding_nhw.to(prob_nchw.device());
    pixels -= padding_nhw.sum().item<std::int64_t>();
    ranked = ranked.masked_fill(padding, std::numeric_limits<float>::infinity());
    result.predicted_nhw.masked_fill_(padding, config::kIgnore);
    result.confidence_nhw.masked_fill_(padding, 0);
  }
  // At a_t = 0 the rule's strict H < max would still drop the most uncertain pixel; nothing is to be dropped
  // then.
  if (percent == 0 || pixels == 0) {
    result.label_nhw = result.predicted_nhw.clone();
    return result;
  }
  const bool paper = rule == PseudoLabelRule::paper;
  const auto threshold = percentile_of_smallest(ranked, pixels, paper ? 100 - percent : percent);
  result.label_nhw = result.predicted_nhw.masked_fill(paper ? ranked.ge(threshold) : ranked.lt(threshold),
                                                      static_cast<std::int64_t>(config::kIgnore));
  return result;
}

}  // namespace driftloop::adapt
