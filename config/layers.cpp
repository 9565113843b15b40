#include "config/layers.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "config/check.h"
#include "config/durable_file.h"
#include "config/name_table.h"

namespace driftloop::config {
namespace fs = std::filesystem;
namespace {

constexpr int kDeepestExtends = 16;

/// One source of settings: a parsed file, or one --set.
struct Layer {
  YAML::Node root;
  std::string origin;  // file name, or "--set key=value"
  bool has_lines;
};

std::string place(const Layer& layer, const YAML::Mark& mark) {
  if (!layer.has_lines || mark.is_null()) return layer.origin;
  return layer.origin + ':' + std::to_string(mark.line + 1) + ':' + std::to_string(mark.column + 1);
}

/// Of the value at "section.key", nothing where there is none or a blank one.
std::optional<YAML::Mark> mark_of(const YAML::Node& node, const std::string& path) {
  if (path.empty()) return node.IsNull() ? std::nullopt : std::optional(node.Mark());
  if (!node.IsMap()) return std::nullopt;
  const auto dot = std::min(path.find('.'), path.size());
  const YAML::Node inner = node[path.substr(0, dot)];
  if (!inner) return std::nullopt;
  return mark_of(inner, path.substr(std::min(dot + 1, path.size())));
}

[[noreturn]] void refuse(const Layer& layer, const YAML::Node& node, const std::string& why) {
  throw Error(place(layer, node.Mark()) + ": " + why);
}

std::string number(double value) {
  std::ostringstream out;
  out.precision(17);
  out << value;
  double back = 0;
  for (int digits = 6; digits < 17; ++digits) {  // the shortest text that reads back to the same number
    std::ostringstream brief;
    brief.precision(digits);
    brief << value;
    std::istringstream(brief.str()) >> back;
    if (back == value) return brief.str();
  }
  return out.str();
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
      refuse_range(key, node, number(range.min), number(range.max));
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

class Writer : public Fields {
 public:
  explicit Writer(Comments comments) : comments_(comments) { out_ << YAML::BeginMap; }
  std::string finish() {
    out_ << YAML::EndMap;
    return std::string(out_.c_str()) + '\n';
  }

  using Fields::field;
  void field(const char* key, bool& value, const char* help) override {
    put(key, value ? "true" : "false", help);
  }
  void field(const char* key, std::int64_t& value, IntRange range, const char* help) override {
    put(key, std::to_string(value), with_range(help, range.min, range.max, std::int64_t{1} << 30));
  }
  void field(const char* key, double& value, RealRange range, const char* help) override {
    put(key, number(value), with_range(help, range.min, range.max, 1e9));
  }
  void field(const char* key, std::string& value, const char* help) override {
    out_ << YAML::Key << key << YAML::Value << value;
    comment(help);
  }
  void field(const char* key, std::vector<std::string>& value, const char* help) override {
    out_ << YAML::Key << key << YAML::Value << YAML::Flow << value;
    comment(help);
  }
  void choice(const char* key, std::string& value, std::vector<std::string> allowed,
              const char* help) override {
    std::string text = std::string(help) + " (one of:";
    for (const auto& name : allowed) text += ' ' + name;
    field(key, value, (text + ')').c_str());
  }

 protected:
  bool begin_section(const char* key, const char* help) override {
    out_ << YAML::Key << key;
    comment(help);
    out_ << YAML::Value << YAML::BeginMap;
    return true;
  }
  void end_section() override { out_ << YAML::EndMap; }

 private:
  void put(const char* key, const std::string& plain, const std::string& help) {
    out_ << YAML::Key << key << YAML::Value << plain;
    comment(help);
  }
  void comment(const std::string& help) {
    if (comments_ == Comments::help && !help.empty()) out_ << YAML::Comment(help);
  }
  template <class T>
  static std::string with_range(const char* help, T min, T max, T unbounded) {
    if (min < -unbounded && max > unbounded) return help;
    return std::string(help) + " [" + (min < -unbounded ? "" : number(static_cast<double>(min))) + ".." +
           (max > unbounded ? "" : number(static_cast<double>(max))) + ']';
  }

  Comments comments_;
  YAML::Emitter out_;
};

std::vector<fs::path> preset_folders() {
  std::vector<fs::path> folders;
  if (const char* folder = std::getenv("DRIFTLOOP_PRESET_DIR")) folders.emplace_back(folder);
  folders.emplace_back(DRIFTLOOP_SOURCE_PRESETS);
  folders.emplace_back(DRIFTLOOP_INSTALLED_PRESETS);
  return folders;
}

fs::path find_preset(const std::string& name, const fs::path& beside) {
  const bool is_path = name.find('/') != std::string::npos || fs::path(name).extension() == ".yaml";
  if (is_path) {
    const fs::path path = fs::path(name).is_absolute() || beside.empty() ? fs::path(name) : beside / name;
    if (!fs::is_regular_file(path)) throw Error("no such configuration file: " + path.string());
    return path;
  }
  for (const auto& folder : preset_folders())
    if (fs::is_regular_file(folder / (name + ".yaml"))) return folder / (name + ".yaml");
  std::vector<std::string> known;
  for (const auto& line : list_presets()) known.push_back(line.substr(0, line.find(':')));
  throw_unknown_name("preset", name, known);
}

Layer parse_text(const std::string& text, const std::string& origin) {
  try {
    return {YAML::Load(text), origin, true};
  } catch (const YAML::ParserException& error) {
    throw Error(origin + ':' + std::to_string(error.mark.line + 1) + ':' +
                std::to_string(error.mark.column + 1) + ": " + error.msg);
  }
}

/// Base first, then what extends it.
void push_file(std::vector<Layer>& layers, const fs::path& path, int depth) {
  if (depth > kDeepestExtends)
    throw Error(path.string() + ": 'extends' goes round in a circle or is nested too deeply");
  Layer layer = parse_text(read_file(path), path.string());
  if (layer.root.IsMap()) {
    const YAML::Node root = layer.root;
    if (const YAML::Node base = root["extends"])
      push_file(layers, find_preset(base.as<std::string>(), path.parent_path()), depth + 1);
  }
  layers.push_back(std::move(layer));
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

}  // namespace

struct Layers::Impl {
  std::vector<Layer> layers;
};

Layers::Layers(const std::string& preset, const fs::path& host_file, const std::vector<std::string>& sets)
    : impl_(std::make_unique<Impl>()) {
  if (!preset.empty()) push_file(impl_->layers, find_preset(preset, {}), 0);
  if (!host_file.empty()) push_file(impl_->layers, find_preset(fs::absolute(host_file).string(), {}), 0);
  for (const auto& set : sets) impl_->layers.push_back(parse_set(set));
}
Layers::~Layers() = default;
Layers::Layers(Layers&&) noexcept = default;
Layers& Layers::operator=(Layers&&) noexcept = default;

void Layers::apply_with(const std::function<void(Fields&)>& describe_all) const {
  for (const Layer& layer : impl_->layers) {
    Reader reader(layer);
    describe_all(reader);
    reader.finish();
  }
}

void apply_text_with(const std::string& text, const std::string& origin,
                     const std::function<void(Fields&)>& describe_all) {
  const Layer layer = parse_text(text, origin);
  Reader reader(layer);
  describe_all(reader);
  reader.finish();
}

std::string Layers::place_of(const std::string& key) const {
  for (auto layer = impl_->layers.rbegin(); layer != impl_->layers.rend(); ++layer)
    if (const auto mark = mark_of(layer->root, key)) return place(*layer, *mark);
  return {};
}

std::vector<std::string> list_presets() {
  std::vector<std::string> lines;
  std::set<std::string> seen;
  for (const auto& folder : preset_folders()) {
    if (!fs::is_directory(folder)) continue;
    for (const auto& file : fs::directory_iterator(folder)) {
      if (file.path().extension() != ".yaml" || !seen.insert(file.path().stem().string()).second) continue;
      std::ifstream in(file.path());
      std::string first;
      std::getline(in, first);
      if (first.starts_with("# ")) first.erase(0, 2);
      lines.push_back(file.path().stem().string() + ": " + first);
    }
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::string to_yaml_with(const std::function<void(Fields&)>& describe_all, Comments comments) {
  Writer writer(comments);
  describe_all(writer);
  return writer.finish();
}

}  // namespace driftloop::config
