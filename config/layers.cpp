#include "config/layers.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <set>

#include "config/check.h"
#include "config/durable_file.h"
#include "config/name_table.h"
#include "config/reader.h"

namespace driftloop::config {
namespace fs = std::filesystem;
namespace {

constexpr int kDeepestExtends = 16;

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

/// Base first, then what extends it.
void push_file(std::vector<Layer>& layers, const fs::path& path, int depth) {
  if (depth > kDeepestExtends)
    throw Error(path.string() + ": 'extends' goes round in a circle or is nested too deeply");
  Layer layer = parse_text(read_file(path), path.string());
  if (layer.root.IsMap()) {
    const YAML::Node root = layer.root;
    if (const YAML::Node base = root["extends"]; base && !base.IsNull()) {
      if (!base.IsScalar())
        throw Error(place(layer, base.Mark()) + ": 'extends' must be the name or the path of one preset");
      push_file(layers, find_preset(base.Scalar(), path.parent_path()), depth + 1);
    }
  }
  layers.push_back(std::move(layer));
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

Places Layers::apply_with(const std::function<void(Fields&)>& describe_all) const {
  Places places;
  for (const Layer& layer : impl_->layers) read_layer(layer, describe_all, places.places_);
  return places;
}

std::string Places::of(const std::string& key) const {
  const auto found = places_.find(key);
  return found == places_.end() ? std::string() : found->second;
}

void apply_text_with(const std::string& text, const std::string& origin,
                     const std::function<void(Fields&)>& describe_all) {
  PlaceOf places;
  read_layer(parse_text(text, origin), describe_all, places);
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

}  // namespace driftloop::config
