// An ONNX graph under construction, and its file. Without LibTorch: its folder of headers brings a protobuf
// of its own.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace driftloop::adapt {

using OnnxAttribute = std::variant<std::int64_t, float, std::string, std::vector<std::int64_t>>;

/// One operator application: `type` and attributes as ONNX's operator set 17 has them.
struct OnnxNode {
  std::string type;
  std::vector<std::string> inputs = {};  // value names; "" = an optional input that is left out
  std::vector<std::pair<std::string, OnnxAttribute>> attributes = {};
  std::string name = {};  // "" = one is made up; the node's output has it too
};

enum class OnnxType { float32, uint8, int64 };

/// A tensor that is part of the file: dense, row by row, little-endian.
struct OnnxData {
  OnnxType type;
  std::vector<std::int64_t> shape;
  std::string bytes;
};

/// An input or output of the graph.
struct OnnxValue {
  std::string name;
  OnnxType type;
  std::vector<std::int64_t> shape;  // -1 = any, named "batch"
};

/// Values have names; a name is given once (CheckError).
class OnnxGraph {
 public:
  OnnxGraph();
  ~OnnxGraph();
  OnnxGraph(const OnnxGraph&) = delete;
  OnnxGraph& operator=(const OnnxGraph&) = delete;

  void input(const OnnxValue& value);
  void output(const OnnxValue& value);
  /// The name of the node's output.
  std::string add(const OnnxNode& node);
  bool has(const std::string& name) const;
  /// Data under a name that the graph does not have yet: that name.
  std::string weight(const std::string& name, OnnxData data);
  /// The same for what has no name of its own: one number, or a row of them.
  std::string constant(float number);
  std::string constant(const std::vector<std::int64_t>& numbers);

  /// Replaces `path` durably. Throws Error (a full disk; more than protobuf's 2 GB).
  void write(const std::filesystem::path& path, const std::map<std::string, std::string>& metadata) const;

 private:
  std::string fresh(const std::string& stem);

  struct Content;
  std::unique_ptr<Content> content_;
};

}  // namespace driftloop::adapt
