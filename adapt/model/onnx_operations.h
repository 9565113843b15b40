// Operations of LibTorch as operators of ONNX. Add one: a line in the table of onnx_operations.cpp.
#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "adapt/files/onnx_graph.h"
#include "adapt/model/corners.h"
#include "adapt/model/onnx_options.h"
#include "adapt/model/onnx_trace.h"

namespace driftloop::adapt {

/// A float, uint8 or int64 tensor from any device.
OnnxData onnx_data(const at::Tensor& tensor);

/// Pixels added around a map with zeros.
struct OnnxPadding {
  std::int64_t top = 0, left = 0, bottom = 0, right = 0;
};

/// Bilinear, as upsample() does it, to `sizes`: the name of four numbers.
OnnxNode onnx_resize(const std::string& from, const std::string& sizes, Corners corners);

/// Turns a trace into nodes of `graph`, one operation after the other.
class OnnxTranslation {
 public:
  OnnxTranslation(const OnnxTrace& trace, OnnxGraph& graph, OnnxBatch batch);
  /// All of it: `image` is the value that stands for the traced image; gives the logits' name. Throws Error
  /// that names an operation for which the table has nothing.
  std::string run(const std::string& image);

  // For the operations.
  OnnxGraph& graph;
  /// The value's name in the graph; weights and pending padding are put there when they are first used.
  std::string name(const torch::jit::Value* value);
  /// The same, and takes padding in front of the value as its own to do.
  std::string name(const torch::jit::Value* value, OnnxPadding& padding);
  void set(const torch::jit::Value* value, std::string name);
  void set_padded(const torch::jit::Value* value, std::string name, OnnxPadding padding);
  /// (C, H, W) of a map of four dimensions, as traced.
  std::vector<std::int64_t> map_sizes(const torch::jit::Value* value) const;
  /// What Resize wants to know: all four sizes, the batch as it comes.
  std::string sizes_for(const std::string& like, const std::vector<std::int64_t>& chw);
  /// The module whose `weight` this is ("" = none): names the node after it.
  std::string module_of(const torch::jit::Value* weight) const;

 private:
  struct Padded {
    std::string name;
    OnnxPadding padding;
  };
  const OnnxTrace& trace_;
  OnnxBatch batch_;
  std::unordered_map<const torch::jit::Value*, std::string> names_;
  std::unordered_map<const torch::jit::Value*, Padded> padded_;
};

}  // namespace driftloop::adapt
