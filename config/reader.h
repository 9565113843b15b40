// One YAML text or one --set -> option structs. For layers.cpp alone: yaml-cpp stays behind config/layers.h.
#pragma once
#include <yaml-cpp/yaml.h>

#include <functional>
#include <string>

#include "config/fields.h"

namespace driftloop::config {

/// One source of settings: a parsed file, or one --set.
struct Layer {
  YAML::Node root;
  std::string origin;  // file name, or "--set key=value"
  bool has_lines;
};

/// Throws Error where the text is no YAML.
Layer parse_text(const std::string& text, const std::string& origin);
/// "section.key=value". Throws Error.
Layer parse_set(const std::string& assignment);

/// "file:line:column", or the origin alone of a layer without lines.
std::string place(const Layer& layer, const YAML::Mark& mark);

/// Throws Error on the first mistake: unknown or duplicate key, wrong type, out of range.
void read_layer(const Layer& layer, const std::function<void(Fields&)>& describe_all);

}  // namespace driftloop::config
