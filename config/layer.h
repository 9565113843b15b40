// One source of settings: a parsed YAML text, or one --set. For layers.cpp and reader.cpp alone: yaml-cpp
// stays behind config/layers.h.
#pragma once
#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <optional>
#include <string>

namespace driftloop::config {

struct Layer {
  YAML::Node root;
  std::string origin;  // file name, or "--set key=value"
  bool has_lines;
};

/// Throws Error where the text is no YAML.
Layer parse_text(const std::string& text, const std::string& origin);
/// "section.key=value" or "list[0].key=value", in which "[0]" becomes a key of its own. Throws Error.
Layer parse_set(const std::string& assignment);
/// "[3]" -> 3, nothing for any other key.
std::optional<std::size_t> index_of(const std::string& key);

/// "file:line:column", or the origin alone of a layer without lines.
std::string place(const Layer& layer, const YAML::Mark& mark);

}  // namespace driftloop::config
