#include "adapt/files/onnx_graph.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <set>

#include "config/check.h"
#include "config/durable_file.h"
#include "onnx.pb.h"

namespace driftloop::adapt {
namespace {

constexpr std::int64_t kIrVersion = 8;  // what ONNX 1.12 writes: read by ONNX Runtime 1.12 and TensorRT 8.5
constexpr std::int64_t kOperatorSet = 17;

onnx::TensorProto::DataType type_of(OnnxType type) {
  switch (type) {
    case OnnxType::float32:
      return onnx::TensorProto::FLOAT;
    case OnnxType::uint8:
      return onnx::TensorProto::UINT8;
    case OnnxType::int64:
      return onnx::TensorProto::INT64;
  }
  return onnx::TensorProto::UNKNOWN;
}

void put_attribute(const std::string& name, const OnnxAttribute& value, onnx::AttributeProto& to) {
  to.set_name(name);
  if (const auto* i = std::get_if<std::int64_t>(&value)) {
    to.set_type(onnx::AttributeProto::INT);
    to.set_i(*i);
  } else if (const auto* f = std::get_if<float>(&value)) {
    to.set_type(onnx::AttributeProto::FLOAT);
    to.set_f(*f);
  } else if (const auto* s = std::get_if<std::string>(&value)) {
    to.set_type(onnx::AttributeProto::STRING);
    to.set_s(*s);
  } else {
    to.set_type(onnx::AttributeProto::INTS);
    for (const auto number : std::get<std::vector<std::int64_t>>(value)) to.add_ints(number);
  }
}

void put_value(const OnnxValue& value, onnx::ValueInfoProto& to) {
  to.set_name(value.name);
  auto& tensor = *to.mutable_type()->mutable_tensor_type();
  tensor.set_elem_type(type_of(value.type));
  for (const auto side : value.shape) {
    auto& dimension = *tensor.mutable_shape()->add_dim();
    if (side < 0)
      dimension.set_dim_param("batch");
    else
      dimension.set_dim_value(side);
  }
}

}  // namespace

struct OnnxGraph::Content {
  onnx::ModelProto model;
  std::set<std::string> names;
  std::map<std::string, int> made_up;  // how many of each stem
};

OnnxGraph::OnnxGraph() : content_(std::make_unique<Content>()) {
  auto& model = content_->model;
  model.set_ir_version(kIrVersion);
  model.set_producer_name("driftloop");
  auto& operators = *model.add_opset_import();
  operators.set_domain("");
  operators.set_version(kOperatorSet);
  model.mutable_graph()->set_name("driftloop");
}

OnnxGraph::~OnnxGraph() = default;

std::string OnnxGraph::fresh(const std::string& stem) {
  std::string name;
  do name = stem + "_" + std::to_string(++content_->made_up[stem]);
  while (content_->names.contains(name));
  return name;
}

void OnnxGraph::input(const OnnxValue& value) {
  DL_CHECK(content_->names.insert(value.name).second, value.name);
  put_value(value, *content_->model.mutable_graph()->add_input());
}

void OnnxGraph::output(const OnnxValue& value) {
  DL_CHECK(content_->names.contains(value.name), value.name);
  put_value(value, *content_->model.mutable_graph()->add_output());
}

std::string OnnxGraph::add(const OnnxNode& node) {
  std::string stem = node.type;
  std::transform(stem.begin(), stem.end(), stem.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::string name = node.name.empty() ? fresh(stem) : node.name;
  auto& to = *content_->model.mutable_graph()->add_node();
  to.set_op_type(node.type);
  to.set_name(name);
  for (const auto& input : node.inputs) {
    DL_CHECK(input.empty() || content_->names.contains(input), name, "needs", input);
    to.add_input(input);
  }
  DL_CHECK(content_->names.insert(name).second, name);
  to.add_output(name);
  for (const auto& [key, value] : node.attributes) put_attribute(key, value, *to.add_attribute());
  return name;
}

bool OnnxGraph::has(const std::string& name) const {
  return content_->names.contains(name);
}

std::string OnnxGraph::weight(const std::string& name, OnnxData data) {
  DL_CHECK(content_->names.insert(name).second, name);
  auto& to = *content_->model.mutable_graph()->add_initializer();
  to.set_name(name);
  to.set_data_type(type_of(data.type));
  for (const auto side : data.shape) to.add_dims(side);
  to.set_raw_data(std::move(data.bytes));
  return name;
}

std::string OnnxGraph::constant(float number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return weight(fresh("constant"), {OnnxType::float32, {}, std::move(bytes)});
}

std::string OnnxGraph::constant(const std::vector<std::int64_t>& numbers) {
  std::string bytes(numbers.size() * sizeof(std::int64_t), '\0');
  std::memcpy(bytes.data(), numbers.data(), bytes.size());
  return weight(fresh("constant"),
                {OnnxType::int64, {static_cast<std::int64_t>(numbers.size())}, std::move(bytes)});
}

void OnnxGraph::write(const std::filesystem::path& path,
                      const std::map<std::string, std::string>& metadata) const {
  onnx::ModelProto model = content_->model;
  for (const auto& [key, value] : metadata) {
    auto& entry = *model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  }
  std::string bytes;
  if (model.ByteSizeLong() > 0x7fffffffU || !model.SerializeToString(&bytes))
    throw Error("cannot write " + path.string() + ": an ONNX file holds 2 GB, and this net is larger");
  config::write_durably(path, bytes);
}

}  // namespace driftloop::adapt
