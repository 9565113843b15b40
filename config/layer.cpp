#include "config/layer.h"

#include <charconv>
#include <sstream>
#include <vector>

#include "config/check.h"

namespace driftloop::config {
namespace {

/// "rounds[1].steps" -> "rounds", "[1]", "steps".
std::vector<std::string> keys_of(const std::string& path) {
  std::vector<std::string> keys;
  std::istringstream parts(path);
  for (std::string part; std::getline(parts, part, '.');) {
    const auto bracket = part.find('[');
    const std::string index = bracket == std::string::npos ? "" : part.substr(bracket);
    if (bracket == 0 || !index_of(index)) {
      keys.push_back(part);  // no list's element: it will be an unknown key
    } else {
      keys.push_back(part.substr(0, bracket));
      keys.push_back(index);
    }
  }
  return keys;
}

}  // namespace

std::optional<std::size_t> index_of(const std::string& key) {
  std::size_t index = 0;
  if (key.size() < 3 || key.front() != '[' || key.back() != ']') return std::nullopt;
  const char* end = key.data() + key.size() - 1;
  const auto [stop, error] = std::from_chars(key.data() + 1, end, index);
  return error == std::errc() && stop == end ? std::optional(index) : std::nullopt;
}

std::string place(const Layer& layer, const YAML::Mark& mark) {
  if (!layer.has_lines || mark.is_null()) return layer.origin;
  return layer.origin + ':' + std::to_string(mark.line + 1) + ':' + std::to_string(mark.column + 1);
}

Layer parse_text(const std::string& text, const std::string& origin) {
  try {
    return {YAML::Load(text), origin, true};
  } catch (const YAML::ParserException& error) {
    throw Error(origin + ':' + std::to_string(error.mark.line + 1) + ':' +
                std::to_string(error.mark.column + 1) + ": " + error.msg);
  }
}

Layer parse_set(const std::string& assignment) {
  const auto equals = assignment.find('=');
  if (equals == std::string::npos || equals == 0)
    throw Error("--set " + assignment + ": write it as section.key=value");
  Layer layer{YAML::Node(YAML::NodeType::Map), "--set " + assignment, false};
  YAML::Node value;
  try {
    value = YAML::Load(assignment.substr(equals + 1));
  } catch (const YAML::ParserException& error) {
    throw Error(layer.origin + ": " + error.msg);
  }
  std::vector<std::string> keys = keys_of(assignment.substr(0, equals));
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    YAML::Node outer(YAML::NodeType::Map);
    outer[*key] = value;
    value = outer;
  }
  layer.root = value;
  return layer;
}

}  // namespace driftloop::config
