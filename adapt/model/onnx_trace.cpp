#include "adapt/model/onnx_trace.h"

#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/jit/frontend/tracer.h>

#include "adapt/model/segmentation_net.h"

namespace driftloop::adapt {

OnnxTrace trace_net(SegmentationNet& net, const at::Tensor& image_nchw) {
  const torch::NoGradGuard no_grad;
  net.eval();
  // The weights are inputs of the traced function: so each keeps its name and is no nameless constant.
  torch::jit::Stack inputs{image_nchw};
  std::vector<std::pair<std::string, at::Tensor>> weights;
  for (const auto& entry : net.named_parameters()) weights.emplace_back(entry.key(), entry.value());
  for (const auto& entry : net.named_buffers()) weights.emplace_back(entry.key(), entry.value());
  for (const auto& [name, tensor] : weights) inputs.emplace_back(tensor);
  const auto run = [&](torch::jit::Stack stack) {
    return torch::jit::Stack{net.run(stack.front().toTensor(), Outputs::main).logits_nchw};
  };
  const auto [state, outputs] = torch::jit::tracer::trace(
      inputs, run, [](const torch::autograd::Variable&) { return std::string(); }, /*strict=*/true,
      /*force_outplace=*/true);
  OnnxTrace trace;
  trace.graph = state->graph;
  trace.image = trace.graph->inputs().at(0);
  trace.logits = trace.graph->outputs().at(0);
  for (std::size_t i = 0; i < weights.size(); ++i)
    trace.weights.emplace(trace.graph->inputs().at(i + 1), weights[i]);
  return trace;
}

}  // namespace driftloop::adapt
