#include "adapt/train/optimiser.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>

#include "adapt/model/weights.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

constexpr double kBeta1 = 0.9, kBeta2 = 0.999, kEpsilon = 1e-8;  // AdamW's usual ones

std::string key_of(const std::string& parameter, const char* slot) {
  return "optimiser." + parameter + slot;
}

/// The slots of one group that have a gradient, as the fused kernels take them.
struct Lists {
  std::vector<at::Tensor> parameter, gradient, first, second, step;
};

}  // namespace

Optimiser::Optimiser(SegmentationNet& net, const TrainOptions& options) : options_(options) {
  const auto backbone = net.backbone_parameters();
  groups_ = {{1, {}}, {options.head_rate_factor, {}}};
  for (const auto& item : net.named_parameters()) {
    const bool in_backbone = std::any_of(backbone.begin(), backbone.end(),
                                         [&](const auto& one) { return one.is_same(item.value()); });
    groups_[in_backbone ? 0 : 1].slots.push_back({item.key(), item.value(), {}, {}, 0});
  }
}

at::Tensor Optimiser::gradient_norm() const {
  std::vector<at::Tensor> gradients;
  for (const auto& group : groups_)
    for (const auto& slot : group.slots)
      if (slot.parameter.grad().defined()) gradients.push_back(slot.parameter.grad());
  DL_CHECK(!gradients.empty());
  return at::stack(at::_foreach_norm(gradients)).norm();
}

void Optimiser::average_gradients(const Ranks& ranks) {
  if (ranks.count() == 1) return;
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> learning, flat;
  for (const auto& group : groups_)
    for (const auto& slot : group.slots)
      if (slot.parameter.requires_grad()) learning.push_back(slot.parameter);
  const auto count = static_cast<std::int64_t>(learning.size());
  std::vector<float> there;
  for (const auto& parameter : learning) {
    const auto& gradient = parameter.grad();
    there.push_back(gradient.defined() ? 1 : 0);
    flat.push_back((gradient.defined() ? gradient : at::zeros_like(parameter)).to(at::kFloat).flatten());
  }
  flat.push_back(at::tensor(there).to(flat[0].device()));
  auto all = at::cat(flat);  // one message
  ranks.sum(all);
  const auto somewhere = all.slice(0, -count).cpu();
  std::int64_t begin = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    auto& parameter = learning[static_cast<std::size_t>(i)];
    const auto mean = all.narrow(0, begin, parameter.numel()) / ranks.count();
    begin += parameter.numel();
    if (somewhere[i].item<float>() > 0)
      parameter.mutable_grad() =
          at::empty_like(parameter).copy_(mean.view(parameter.sizes()));  // in the parameter's own layout
  }
}

void Optimiser::step(double rate_share, double gradient_divisor) {
  const at::NoGradGuard no_grad;
  const auto device = groups_.back().slots.back().parameter.device();
  const auto on_device = at::TensorOptions(at::kFloat).device(device);
  std::map<std::int64_t, at::Tensor> numbers;  // mostly one
  std::vector<Lists> lists(groups_.size());
  for (std::size_t g = 0; g < groups_.size(); ++g)
    for (auto& slot : groups_[g].slots) {
      if (!slot.parameter.grad().defined()) continue;
      if (!slot.first.defined()) slot.first = at::zeros_like(slot.parameter);
      if (adamw() && !slot.second.defined()) slot.second = at::zeros_like(slot.parameter);
      lists[g].parameter.push_back(slot.parameter);
      lists[g].gradient.push_back(slot.parameter.grad());
      lists[g].first.push_back(slot.first);
      if (!adamw()) continue;
      lists[g].second.push_back(slot.second);
      auto& number = numbers[slot.steps + 1];
      if (!number.defined()) number = at::full({}, static_cast<double>(slot.steps + 1), on_device);
      lists[g].step.push_back(number);
    }
  std::optional<at::Tensor> divisor;
  if (gradient_divisor != 1) divisor = at::full({}, gradient_divisor, on_device);
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    const Lists& l = lists[g];
    if (l.parameter.empty()) continue;
    const double rate = options_.rate * rate_share * groups_[g].rate_factor;
    if (adamw()) {
      at::_fused_adamw_(l.parameter, l.gradient, l.first, l.second, {}, l.step, rate, kBeta1, kBeta2,
                        options_.weight_decay, kEpsilon, /*amsgrad=*/false, /*maximize=*/false, divisor);
    } else {
      at::_fused_sgd_(l.parameter, l.gradient, l.first, options_.weight_decay, options_.momentum, rate,
                      /*dampening=*/0, /*nesterov=*/false, /*maximize=*/false, /*is_first_step=*/false,
                      divisor);
    }
  }
  for (auto& group : groups_)
    for (auto& slot : group.slots) slot.steps += slot.parameter.grad().defined();
}

void Optimiser::drop_gradients() {
  for (auto& group : groups_)
    for (auto& slot : group.slots) slot.parameter.mutable_grad().reset();
}

void Optimiser::save(TensorFile& file) const {
  file.metadata["optimiser"] = options_.optimiser;
  std::int64_t most = 0;
  for (const auto& group : groups_)
    for (const auto& slot : group.slots) most = std::max(most, slot.steps);
  file.metadata["optimiser.steps"] = std::to_string(most);
  for (const auto& group : groups_)
    for (const auto& slot : group.slots) {
      if (slot.steps != most) file.metadata[key_of(slot.name, ".steps")] = std::to_string(slot.steps);
      if (slot.first.defined()) file.tensors[key_of(slot.name, ".first")] = slot.first.cpu().contiguous();
      if (slot.second.defined()) file.tensors[key_of(slot.name, ".second")] = slot.second.cpu().contiguous();
    }
}

void Optimiser::load(const TensorFile& file, const std::filesystem::path& path) {
  const auto kind = file.metadata.find("optimiser"), steps = file.metadata.find("optimiser.steps");
  const bool same_kind =
      kind != file.metadata.end() && kind->second == options_.optimiser && steps != file.metadata.end();
  for (auto& group : groups_)
    for (auto& slot : group.slots) {
      const auto own = file.metadata.find(key_of(slot.name, ".steps"));
      slot.steps = same_kind ? std::stoll(own == file.metadata.end() ? steps->second : own->second) : 0;
      const auto stored = [&](const char* which) -> at::Tensor {
        const auto found = file.tensors.find(key_of(slot.name, which));
        if (!same_kind || found == file.tensors.end()) return {};
        if (found->second.sizes() != slot.parameter.sizes())
          throw Error(path.string() + " is damaged: the optimiser's memory of '" + slot.name +
                      "' has another shape than the parameter");
        auto memory = at::zeros_like(slot.parameter);
        memory.copy_(found->second);
        return memory;
      };
      slot.first = stored(".first");
      slot.second = stored(".second");
    }
}

std::int64_t Optimiser::stored_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& group : groups_)
    for (const auto& slot : group.slots) bytes += (adamw() ? 2 : 1) * adapt::stored_bytes({slot.parameter});
  return bytes;
}

}  // namespace driftloop::adapt
