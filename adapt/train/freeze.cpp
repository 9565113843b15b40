#include "adapt/train/freeze.h"

#include <algorithm>

#include "adapt/model/norm.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

bool is_among(const std::vector<at::Tensor>& all, const at::Tensor& one) {
  return std::any_of(all.begin(), all.end(), [&](const auto& other) { return other.is_same(one); });
}

/// How many parameters `part` names.
int freeze_parameters(SegmentationNet& net, const std::string& part) {
  std::vector<at::Tensor> group;
  if (part == "backbone") group = net.backbone_parameters();
  if (part == "stride4") group = net.stride4_parameters();
  int count = 0;
  for (auto& item : net.named_parameters()) {
    if (!is_among(group, item.value()) && item.key() != part && !item.key().starts_with(part + '.')) continue;
    item.value().set_requires_grad(false);
    ++count;
  }
  return count;
}

/// "decoder, encoder": where names begin.
std::string first_names(const SegmentationNet& net) {
  std::string text;
  for (const auto& child : net.named_children()) text += (text.empty() ? "" : ", ") + child.key();
  return text;
}

}  // namespace

void freeze(SegmentationNet& net, const std::vector<std::string>& parts) {
  const bool all_norms = std::find(parts.begin(), parts.end(), "norm") != parts.end();
  for (const auto& part : parts)
    if (part != "norm" && freeze_parameters(net, part) == 0)
      throw Error("train.freeze: the net has no parameter '" + part +
                  "' or below it; use backbone, stride4, norm, or a " +
                  "name that begins with one of: " + first_names(net));
  const auto parameters = net.parameters();
  if (std::none_of(parameters.begin(), parameters.end(), [](const auto& p) { return p.requires_grad(); }))
    throw Error("train.freeze: nothing is left to learn; freeze less");
  for (const auto& module : net.modules(/*include_self=*/false))
    if (auto* norm = module->as<NormImpl>())
      if (all_norms || !norm->weight.requires_grad()) norm->freeze(true);
}

}  // namespace driftloop::adapt
