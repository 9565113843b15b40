// Gradients by finite differences.
#pragma once
#include "adapt/torch.h"

#include <algorithm>
#include <cmath>

namespace driftloop::adapt {

/// Largest difference between the gradient and central differences, in double precision, over every seventh
/// element.
template <class Loss>
double gradient_error(const torch::Tensor& at, const Loss& loss) {
  const auto x = at.clone().requires_grad_();
  loss(x).backward();
  const auto gradient = x.grad().flatten();
  double worst = 0;
  constexpr double kStep = 1e-6;
  for (std::int64_t i = 0; i < at.numel(); i += 7) {
    auto up = at.clone(), down = at.clone();
    up.flatten()[i] += kStep;
    down.flatten()[i] -= kStep;
    const double numeric = (loss(up) - loss(down)).template item<double>() / (2 * kStep);
    worst = std::max(worst, std::abs(numeric - gradient[i].template item<double>()));
  }
  return worst;
}

}  // namespace driftloop::adapt
