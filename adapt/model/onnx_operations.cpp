#include "adapt/model/onnx_operations.h"

#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

using torch::jit::Node;
using torch::jit::Value;
using Numbers = std::vector<std::int64_t>;

c10::IValue constant_of(const Value* value) {
  if (auto known = torch::jit::toIValue(value)) return *known;
  throw Error("cannot export the net as ONNX: an argument of " +
              std::string(value->node()->kind().toQualString()) + " is not a constant");
}

Numbers numbers_of(const Value* value) {
  Numbers numbers;
  if (value->node()->kind() == c10::prim::ListConstruct) {
    for (const auto* input : value->node()->inputs()) numbers.push_back(constant_of(input).toInt());
    return numbers;
  }
  const auto known = constant_of(value);
  if (known.isNone()) return numbers;
  return known.toIntVector();
}

bool is_none(const Value* value) {
  return value->mustBeNone();
}

/// Both sides where one number stands for both.
Numbers pair_of(const Value* value) {
  Numbers numbers = numbers_of(value);
  if (numbers.size() == 1) numbers.push_back(numbers[0]);
  return numbers;
}

void same(OnnxTranslation& to, const Node& node) {
  to.set(node.output(), to.name(node.input(0)));
}

template <const char* kType>
void one_input(OnnxTranslation& to, const Node& node) {
  to.set(node.output(), to.graph.add({.type = kType, .inputs = {to.name(node.input(0))}}));
}
constexpr char kRelu[] = "Relu";
constexpr char kSigmoid[] = "Sigmoid";
constexpr std::string_view kTransposed = "aten::t";

void convolution(OnnxTranslation& to, const Node& node) {
  DL_CHECK(!constant_of(node.input(6)).toBool(), "transposed convolutions are not translated");
  OnnxPadding around;
  OnnxNode conv{.type = "Conv", .inputs = {to.name(node.input(0), around), to.name(node.input(1))}};
  if (!is_none(node.input(2))) conv.inputs.push_back(to.name(node.input(2)));
  const Numbers own = pair_of(node.input(4));
  const Numbers pads{around.top + own[0], around.left + own[1], around.bottom + own[0],
                     around.right + own[1]};
  const auto kernel = node.input(1)->type()->expectRef<c10::TensorType>().sizes().concrete_sizes();
  conv.attributes = {{"kernel_shape", Numbers(kernel->begin() + 2, kernel->end())},
                     {"strides", pair_of(node.input(3))},
                     {"pads", pads},
                     {"dilations", pair_of(node.input(5))},
                     {"group", constant_of(node.input(8)).toInt()}};
  conv.name = to.module_of(node.input(1));
  to.set(node.output(), to.graph.add(conv));
}

void batch_norm(OnnxTranslation& to, const Node& node) {
  OnnxNode norm{.type = "BatchNormalization"};
  for (std::size_t i = 0; i < 5; ++i) norm.inputs.push_back(to.name(node.input(i)));
  norm.attributes = {{"epsilon", static_cast<float>(constant_of(node.input(7)).toDouble())}};
  norm.name = to.module_of(node.input(1));
  to.set(node.output(), to.graph.add(norm));
}

void clip(OnnxTranslation& to, const Node& node, float least, float most) {
  to.set(
      node.output(),
      to.graph.add({.type = "Clip",
                    .inputs = {to.name(node.input(0)), to.graph.constant(least), to.graph.constant(most)}}));
}
void hardtanh(OnnxTranslation& to, const Node& node) {
  clip(to, node, constant_of(node.input(1)).toScalar().toFloat(),
       constant_of(node.input(2)).toScalar().toFloat());
}
void relu6(OnnxTranslation& to, const Node& node) {
  clip(to, node, 0, 6);
}

void pad(OnnxTranslation& to, const Node& node) {
  const Numbers n = numbers_of(node.input(1));  // left, right, top, bottom
  DL_CHECK(n.size() == 4 && constant_of(node.input(2)).toScalar().toDouble() == 0, n.size());
  to.set_padded(node.output(), to.name(node.input(0)),
                {.top = n[2], .left = n[0], .bottom = n[3], .right = n[1]});
}

/// Its last window may reach beyond the map (ceil mode): so much padding that all windows fit says the same
/// to every runtime.
void max_pool(OnnxTranslation& to, const Node& node) {
  const auto in = to.map_sizes(node.input(0)), out = to.map_sizes(node.output());
  const Numbers kernel = pair_of(node.input(1)), pads = pair_of(node.input(3)),
                dilation = pair_of(node.input(4));
  const Numbers stride = numbers_of(node.input(2)).empty() ? kernel : pair_of(node.input(2));
  DL_CHECK(dilation == (Numbers{1, 1}), "dilated pooling is not translated");
  const auto after = [&](std::size_t axis) {
    return std::max<std::int64_t>(
        (out[axis + 1] - 1) * stride[axis] + kernel[axis] - in[axis + 1] - pads[axis], 0);
  };
  to.set(node.output(),
         to.graph.add({.type = "MaxPool",
                       .inputs = {to.name(node.input(0))},
                       .attributes = {{"kernel_shape", kernel},
                                      {"strides", stride},
                                      {"pads", Numbers{pads[0], pads[1], after(0), after(1)}}}}));
}

void mean(OnnxTranslation& to, const Node& node) {
  const bool keep = constant_of(node.input(2)).toBool();
  to.set(
      node.output(),
      to.graph.add({.type = "ReduceMean",
                    .inputs = {to.name(node.input(0))},
                    .attributes = {{"axes", numbers_of(node.input(1))}, {"keepdims", std::int64_t{keep}}}}));
}

void global_pool(OnnxTranslation& to, const Node& node) {
  const Numbers size = pair_of(node.input(1));
  DL_CHECK(size == (Numbers{1, 1}), "adaptive pooling to more than one cell is not translated");
  to.set(node.output(), to.graph.add({.type = "GlobalAveragePool", .inputs = {to.name(node.input(0))}}));
}

void add(OnnxTranslation& to, const Node& node) {
  DL_CHECK(constant_of(node.input(2)).toScalar().toDouble() == 1, "a scaled sum is not translated");
  to.set(node.output(),
         to.graph.add({.type = "Add", .inputs = {to.name(node.input(0)), to.name(node.input(1))}}));
}
void multiply(OnnxTranslation& to, const Node& node) {
  to.set(node.output(),
         to.graph.add({.type = "Mul", .inputs = {to.name(node.input(0)), to.name(node.input(1))}}));
}

void concatenate(OnnxTranslation& to, const Node& node) {
  OnnxNode concat{.type = "Concat", .attributes = {{"axis", constant_of(node.input(1)).toInt()}}};
  for (const auto* part : node.input(0)->node()->inputs()) concat.inputs.push_back(to.name(part));
  to.set(node.output(), to.graph.add(concat));
}

/// (bias, x, weight transposed, beta, alpha): a linear layer. The weight goes in as it is, so that it keeps
/// its name and its shape.
void linear(OnnxTranslation& to, const Node& node) {
  const Node* transposed = node.input(2)->node();
  DL_CHECK(std::string_view(transposed->kind().toQualString()) == kTransposed, "a product of two maps");
  DL_CHECK(constant_of(node.input(3)).toScalar().toDouble() == 1 &&
           constant_of(node.input(4)).toScalar().toDouble() == 1);
  const Value* weight = transposed->input(0);
  to.set(node.output(),
         to.graph.add({.type = "Gemm",
                       .inputs = {to.name(node.input(1)), to.name(weight), to.name(node.input(0))},
                       .attributes = {{"transB", std::int64_t{1}}},
                       .name = to.module_of(weight)}));
}
/// Is looked through by who takes it.
void nothing(OnnxTranslation&, const Node&) {}

void unsqueeze(OnnxTranslation& to, const Node& node) {
  const Numbers axis{constant_of(node.input(1)).toInt()};
  to.set(node.output(),
         to.graph.add({.type = "Unsqueeze", .inputs = {to.name(node.input(0)), to.graph.constant(axis)}}));
}

void view(OnnxTranslation& to, const Node& node) {
  to.set(node.output(),
         to.graph.add({.type = "Reshape",
                       .inputs = {to.name(node.input(0)), to.graph.constant(numbers_of(node.input(1)))}}));
}

/// -1 = as it is, which ONNX says with a 1.
void expand(OnnxTranslation& to, const Node& node) {
  Numbers sizes = numbers_of(node.input(1));
  std::replace(sizes.begin(), sizes.end(), std::int64_t{-1}, std::int64_t{1});
  to.set(node.output(),
         to.graph.add({.type = "Expand", .inputs = {to.name(node.input(0)), to.graph.constant(sizes)}}));
}

void enlarge(OnnxTranslation& to, const Node& node) {
  const bool aligned = constant_of(node.input(2)).toBool();
  const auto from = to.name(node.input(0));
  to.set(node.output(), to.graph.add(onnx_resize(from, to.sizes_for(from, to.map_sizes(node.output())),
                                                 aligned ? Corners::aligned : Corners::not_aligned)));
}

struct Operation {
  std::string_view name;
  void (*translate)(OnnxTranslation&, const Node&);
};

constexpr std::array kOperations = {
    Operation{"aten::_convolution", convolution},
    Operation{"aten::batch_norm", batch_norm},
    Operation{"aten::relu", one_input<kRelu>},
    Operation{"aten::relu6", relu6},
    Operation{"aten::hardtanh", hardtanh},
    Operation{"aten::sigmoid", one_input<kSigmoid>},
    Operation{"aten::constant_pad_nd", pad},
    Operation{"aten::max_pool2d", max_pool},
    Operation{"aten::mean", mean},
    Operation{"aten::adaptive_avg_pool2d", global_pool},
    Operation{"aten::add", add},
    Operation{"aten::mul", multiply},
    Operation{"aten::cat", concatenate},
    Operation{"aten::addmm", linear},
    Operation{kTransposed, nothing},
    Operation{"aten::unsqueeze", unsqueeze},
    Operation{"aten::view", view},
    Operation{"aten::expand", expand},
    Operation{"aten::upsample_bilinear2d", enlarge},
    // Layouts in memory, and what does nothing in eval mode.
    Operation{"aten::contiguous", same},
    Operation{"aten::dropout", same},
    Operation{"aten::feature_dropout", same},
};

bool holds_arguments(const Node& node) {
  return node.kind() == c10::prim::Constant || node.kind() == c10::prim::ListConstruct;
}

}  // namespace

OnnxData onnx_data(const at::Tensor& tensor) {
  const auto dense = tensor.detach().cpu().contiguous();
  const auto type = dense.scalar_type();
  DL_CHECK(type == at::kFloat || type == at::kByte || type == at::kLong, static_cast<int>(type));
  return {type == at::kFloat  ? OnnxType::float32
          : type == at::kByte ? OnnxType::uint8
                              : OnnxType::int64,
          dense.sizes().vec(), std::string(static_cast<const char*>(dense.const_data_ptr()), dense.nbytes())};
}

OnnxNode onnx_resize(const std::string& from, const std::string& sizes, Corners corners) {
  return {.type = "Resize",
          .inputs = {from, "", "", sizes},
          .attributes = {{"mode", "linear"},
                         {"coordinate_transformation_mode",
                          corners == Corners::aligned ? "align_corners" : "pytorch_half_pixel"}}};
}

OnnxTranslation::OnnxTranslation(const OnnxTrace& trace, OnnxGraph& graph_, OnnxBatch batch)
    : graph(graph_), trace_(trace), batch_(batch) {}

std::string OnnxTranslation::run(const std::string& image) {
  set(trace_.image, image);
  for (const Node* node : trace_.graph->nodes()) {
    if (holds_arguments(*node)) continue;
    const std::string_view kind = node->kind().toQualString();
    const auto* found = std::find_if(kOperations.begin(), kOperations.end(),
                                     [&](const Operation& operation) { return operation.name == kind; });
    if (found == kOperations.end())
      throw Error("cannot export the net as ONNX: nothing is known to translate " + std::string(kind) +
                  " into; add it to adapt/model/onnx_operations.cpp");
    found->translate(*this, *node);
  }
  return name(trace_.logits);
}

void OnnxTranslation::set(const Value* value, std::string name) {
  names_[value] = std::move(name);
}

void OnnxTranslation::set_padded(const Value* value, std::string name, OnnxPadding padding) {
  padded_[value] = {std::move(name), padding};
}

std::string OnnxTranslation::name(const Value* value) {
  if (const auto weight = trace_.weights.find(value); weight != trace_.weights.end()) {
    const auto& [name, tensor] = weight->second;
    return graph.has(name) ? name : graph.weight(name, onnx_data(tensor));
  }
  if (const auto known = names_.find(value); known != names_.end()) return known->second;
  const auto padded = padded_.find(value);
  DL_CHECK(padded != padded_.end(), "a value without an origin:", value->debugName());
  const auto& p = padded->second.padding;
  const auto amounts = graph.constant({0, 0, p.top, p.left, 0, 0, p.bottom, p.right});
  names_[value] = graph.add({.type = "Pad", .inputs = {padded->second.name, amounts}});
  return names_[value];
}

std::string OnnxTranslation::name(const Value* value, OnnxPadding& padding) {
  const auto padded = padded_.find(value);
  if (padded == padded_.end()) return name(value);
  padding = padded->second.padding;
  return padded->second.name;
}

Numbers OnnxTranslation::map_sizes(const Value* value) const {
  const auto sizes = value->type()->expectRef<c10::TensorType>().sizes().concrete_sizes();
  DL_CHECK(sizes && sizes->size() == 4, "a map of four dimensions was expected");
  return {sizes->begin() + 1, sizes->end()};
}

std::string OnnxTranslation::sizes_for(const std::string& like, const Numbers& chw) {
  if (batch_ == OnnxBatch::one) return graph.constant({1, chw[0], chw[1], chw[2]});
  const auto batch = graph.add({.type = "Shape",
                                .inputs = {like},
                                .attributes = {{"start", std::int64_t{0}}, {"end", std::int64_t{1}}}});
  return graph.add(
      {.type = "Concat", .inputs = {batch, graph.constant(chw)}, .attributes = {{"axis", std::int64_t{0}}}});
}

std::string OnnxTranslation::module_of(const Value* weight) const {
  constexpr std::string_view kWeight = ".weight";
  const auto found = trace_.weights.find(weight);
  if (found == trace_.weights.end() || !found->second.first.ends_with(kWeight)) return {};
  return found->second.first.substr(0, found->second.first.size() - kWeight.size());
}

}  // namespace driftloop::adapt
