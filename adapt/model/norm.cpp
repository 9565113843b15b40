#include "adapt/model/norm.h"

namespace driftloop::adapt {

NormImpl::NormImpl(std::int64_t channels, const NormOptions& options)
    : weight(register_parameter("weight", torch::ones({channels}))),
      bias(register_parameter("bias", torch::zeros({channels}))),
      running_mean(register_buffer("running_mean", torch::zeros({channels}))),
      running_var(register_buffer("running_var", torch::ones({channels}))),
      num_batches_tracked(register_buffer("num_batches_tracked", torch::zeros({}, torch::kLong))),
      options_(options) {}

void NormImpl::begin_estimate() {
  const torch::NoGradGuard no_grad;
  running_mean.zero_();
  running_var.fill_(1);
  estimated_batches_ = 0;
}

at::Tensor NormImpl::forward(const at::Tensor& x) {
  const bool learns = is_training() && !frozen_;
  double momentum = options_.momentum;
  if (learns && estimated_batches_ >= 0) momentum = 1.0 / static_cast<double>(++estimated_batches_);
  if (learns) num_batches_tracked += 1;
  return at::batch_norm(x, weight, bias, running_mean, running_var, learns, momentum, options_.epsilon,
                        at::globalContext().userEnabledCuDNN());
}

}  // namespace driftloop::adapt
