// What a net does, written down while it runs: operations of LibTorch in order, with their arguments. From it
// any net of the table becomes an ONNX graph without a second description of it.
#pragma once
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "adapt/torch.h"

namespace torch::jit {
struct Graph;
struct Node;
struct Value;
}  // namespace torch::jit

namespace driftloop::adapt {

class SegmentationNet;

struct OnnxTrace {
  std::shared_ptr<torch::jit::Graph> graph;
  const torch::jit::Value* image = nullptr;
  const torch::jit::Value* logits = nullptr;
  /// The net's parameters and buffers among the graph's inputs.
  std::unordered_map<const torch::jit::Value*, std::pair<std::string, at::Tensor>> weights;
};

/// Runs `net` in eval mode on `image_nchw` and gives what happened between it and the logits. Not from two
/// threads at a time with the same net.
OnnxTrace trace_net(SegmentationNet& net, const at::Tensor& image_nchw);

}  // namespace driftloop::adapt
