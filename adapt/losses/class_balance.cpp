#include "adapt/losses/class_balance.h"

#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr double kLeastShare = 5e-4;  // a class that was hardly seen yet does not drown the others

std::string key_of(const std::string& name) {
  return "loss." + name + ".seen";
}

}  // namespace

at::Tensor ClassBalance::weights(const at::Tensor& label_nhw, const Ranks& ranks) {
  if (power_ == 0) return {};
  const torch::NoGradGuard no_grad;
  // A histogram rather than a bincount: that one would wait for the device.
  auto count =
      at::histc(label_nhw.to(at::kFloat), config::kClasses, -0.5, config::kClasses - 0.5).to(at::kDouble);
  ranks.sum(count);
  if (!seen_.defined()) seen_ = at::zeros({config::kClasses}, at::kDouble);
  seen_ = seen_.to(count.device()) + count;
  const auto share = seen_ / seen_.sum().clamp_min(1);
  const auto weight = share.clamp_min(kLeastShare).pow(-power_);
  return (weight / (weight * share).sum().clamp_min(1e-6)).to(at::kFloat);
}

void ClassBalance::save(TensorFile& file) const {
  if (seen_.defined()) file.tensors[key_of(name_)] = seen_.cpu();
}

void ClassBalance::load(const TensorFile& file) {
  const auto found = file.tensors.find(key_of(name_));
  seen_ = found == file.tensors.end() ? at::Tensor() : found->second.clone();
}

}  // namespace driftloop::adapt
