#include <array>

#include "config/label_space.h"
#include "station/label_source.h"

namespace driftloop::station {
namespace {

constexpr std::array<config::NameEntry<LabelSourceFactory>, 1> kSources = {{
    {"oracle", "answers from a folder of ground truth", make_oracle_source},
}};

}  // namespace

void describe(config::Fields& f, LabelSourceOptions& o) {
  std::vector<std::string> names;
  for (const auto& entry : kSources) names.emplace_back(entry.name);
  f.choice("source", o.source, names, "who answers the requests of the vehicles");
  f.field("folder", o.folder,
          "oracle: folder of the ground truth, <folder>/<frame name>.png, 8-bit ids in one channel");
  f.choice("ids", o.ids, config::id_table_names(), "oracle: how those files number the classes");
  f.field("label_space", o.label_space, "fold the classes into this label space; empty = keep all 19");
  f.field("delay_s", o.delay_s, {0, 86400}, "seconds before each answer, to look like people");
}

std::span<const config::NameEntry<LabelSourceFactory>> label_sources() {
  return kSources;
}

std::unique_ptr<LabelSource> make_label_source(const LabelSourceOptions& options) {
  return config::find_entry(label_sources(), options.source, "label source").make(options);
}

}  // namespace driftloop::station
