// Pseudo-labels: what the teacher says where it is sure (method, section 3.2).
#pragma once
#include <ATen/core/Tensor.h>

#include <string_view>

namespace driftloop::adapt {

enum class PseudoLabelRule {
  paper,        // keep a pixel iff H < percentile(H, 100 - a_t): the a_t percent most uncertain are dropped
  as_released,  // the published code does the opposite: it drops the a_t percent with the lowest entropy
};

/// "paper" or "as_released". Throws Error for another name.
PseudoLabelRule pseudo_label_rule(std::string_view name);

/// H = -sum p log(p + 1e-10) over the class dimension, natural log: (N, C, H, W) -> (N, H, W), any device.
at::Tensor pseudo_label_entropy(const at::Tensor& prob_nchw);

/// a_t = start (1 - epoch / epochs), in percent; the paper's start is 20. `progress` = epoch / epochs, 0..1.
double dropped_percent(double progress, double start = 20.0);

/// The `percent`-th percentile (0..100) over all elements, linear between neighbours. Needs at least one
/// element.
double percentile(const at::Tensor& values, double percent);
/// The same of the `count` smallest elements alone, without waiting for the device: a double of no dimensions
/// on the device of `values`.
at::Tensor percentile_of_smallest(const at::Tensor& values, std::int64_t count, double percent);

/// What the student is held to.
struct PseudoBatch {
  at::Tensor label_nhw;       // int64, 255 = dropped
  at::Tensor confidence_nhw;  // the teacher's probability of that label; 0 outside the image
};

struct PseudoLabels {
  at::Tensor label_nhw;       // int64, the most probable class or 255 where dropped
  at::Tensor predicted_nhw;   // the same with nothing dropped
  at::Tensor confidence_nhw;  // its probability
  at::Tensor entropy_nhw;     // H
};

/// Labels for a batch of teacher probabilities (N, C, H, W), float, any device; no gradient. The percentile
/// is taken over the whole batch, as published, but for its padding (bool, on the CPU; undefined = none):
/// there both labels are 255 and the confidence is 0.
PseudoLabels make_pseudo_labels(const at::Tensor& prob_nchw, double percent, PseudoLabelRule rule,
                                const at::Tensor& padding_nhw = {});

}  // namespace driftloop::adapt
