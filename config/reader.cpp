#include "config/reader.h"

#include <algorithm>
#include <set>
#include <sstream>
#include <vector>

#include "config/check.h"
#include "config/name_table.h"
#include "config/writer.h"

namespace driftloop::config {
namespace {

[[noreturn]] void refuse(const Layer& layer, const YAML::Node& node, const std::string& why) {
  throw Error(place(layer, node.Mark()) + ": " + why);
}

/// Reads one layer onto a struct: remembers what it met at each level, so what is left over is an unknown
/// key.
class Reader : public Fields {
 public:
  explicit Reader(const Layer& layer) : layer_(layer) { enter("", layer.root); }

  using Fields::field;
  void field(const char* key, bool& value, const char*) override { read(key, value, "true or false"); }
  void field(const char* key, std::int64_t& value, IntRange range, const char*) override {
    const YAML::Node node = read(key, value, "a whole number");
    if (node && (value < range.min || value > range.max))
      refuse_range(key, node, std::to_string(range.min), std::to_string(range.max));
  }
  void field(const char* key, double& value, RealRange range, const char*) override {
    const YAML::Node node = read(key, value, "a number");
    if (node && !(value >= range.min && value <= range.max))
      refuse_range(key, node, number_text(range.min), number_text(range.max));
  }
  void field(const char* key, std::string& value, const char*) override { read(key, value, "text"); }
  void field(const char* key, std::vector<std::string>& value, const char*) override {
    read(key, value, "a list");
  }
  void choice(const char* key, std::string& value, std::vector<std::string> allowed, const char*) override {
    const YAML::Node node = read(key, value, "text");
    if (!node || std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
    try {
      throw_unknown_name(path(key), value, allowed);
    } catch (const Error& error) {
      refuse(layer_, node, error.what());
    }
  }

  /// Call after the whole struct was described.
  void finish() { leave(); }

 protected:
  bool begin_section(const char* key, const char*) override {
    const YAML::Node node = take(key);
    if (!node) return false;
    enter(path(key), node);
    return true;
  }
  void end_section() override { leave(); }

 private:
  struct Level {
    std::string path;
    YAML::Node node;
    std::vector<std::string> known;
  };

  void enter(const std::string& level_path, const YAML::Node& node) {
    if (node.IsNull()) {
      levels_.push_back({level_path, YAML::Node(YAML::NodeType::Map), {}});
      return;
    }
    if (!node.IsMap())
      refuse(layer_, node,
             (level_path.empty() ? "the file" : "'" + level_path + "'") + " must hold 'key: value' lines");
    std::set<std::string> seen;
    for (const auto& entry : node) {
      const auto key = entry.first.as<std::string>();
      if (!seen.insert(key).second)
        refuse(layer_, entry.first, "the key '" + key + "' stands here twice; remove one");
    }
    levels_.push_back({level_path, node, {}});
  }

  void leave() {
    const Level& level = levels_.back();
    for (const auto& entry : level.node) {
      const auto key = entry.first.as<std::string>();
      if (level.path.empty() && key == "extends") continue;
      if (std::find(level.known.begin(), level.known.end(), key) != level.known.end()) continue;
      const std::string near = nearest_name(key, level.known);
      std::string why = "unknown key '" + (level.path.empty() ? key : level.path + '.' + key) + '\'';
      why += near.empty() ? "; known here:" : "; did you mean '" + near + "'? Known here:";
      for (const auto& name : level.known) why += ' ' + name;
      refuse(layer_, entry.first, why);
    }
    levels_.pop_back();
  }

  std::string path(const char* key) const {
    return levels_.back().path.empty() ? key : levels_.back().path + '.' + key;
  }

  YAML::Node take(const char* key) {
    levels_.back().known.emplace_back(key);
    return static_cast<const YAML::Node&>(levels_.back().node)[key];
  }

  template <class T>
  YAML::Node read(const char* key, T& value, const char* expected) {
    const YAML::Node node = take(key);
    if (!node) return node;
    if (node.IsNull()) {
      if (layer_.has_lines) return YAML::Node(YAML::NodeType::Undefined);  // a blank value is not given
      refuse(layer_, node, "there is no value; for an empty text write " + path(key) + "='\"\"'");
    }
    for (const auto& entry : node)
      if (node.IsSequence() && entry.IsNull())
        refuse(layer_, node, '\'' + path(key) + "' has a blank entry; remove it");
    try {
      value = node.as<T>();
    } catch (const YAML::Exception&) {
      refuse(layer_, node,
             '\'' + path(key) + "' must be " + expected + ", not '" +
                 (node.IsScalar() ? node.Scalar() : "a block") + '\'');
    }
    return node;
  }

  [[noreturn]] void refuse_range(const char* key, const YAML::Node& node, const std::string& min,
                                 const std::string& max) {
    refuse(layer_, node, '\'' + path(key) + "' must lie in [" + min + ", " + max + "], not " + node.Scalar());
  }

  const Layer& layer_;
  std::vector<Level> levels_;
};

}  // namespace

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
  std::vector<std::string> keys;
  std::istringstream path(assignment.substr(0, equals));
  for (std::string key; std::getline(path, key, '.');) keys.push_back(key);
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    YAML::Node outer(YAML::NodeType::Map);
    outer[*key] = value;
    value = outer;
  }
  layer.root = value;
  return layer;
}

void read_layer(const Layer& layer, const std::function<void(Fields&)>& describe_all) {
  Reader reader(layer);
  describe_all(reader);
  reader.finish();
}

}  // namespace driftloop::config
