// Every acquisition strategy: to add one, write its file and a line here.
#include <array>

#include "adapt/acquisition/strategies.h"

namespace driftloop::adapt {
namespace {
constexpr std::array<config::NameEntry<StrategyFactory>, 8> kStrategies{{
    {"cover", "regions typical of what nothing was asked about yet: k-means over the pool's features",
     make_cover},
    {"ripu", "regions of high impurity x uncertainty (Xie et al. 2022)", make_ripu},
    {"ripu_pixel", "single pixels by impurity x uncertainty of a large window (Xie et al. 2022)",
     make_ripu_pixel},
    {"entropy", "regions of the highest mean entropy", make_entropy},
    {"margin", "regions where the two most probable classes are closest", make_margin},
    {"random", "random regions: the control to beat", make_random},
    {"image_entropy", "whole images of the highest mean entropy, a quota per city (Guan & Yuan 2023)",
     make_image_entropy},
    {"image_random", "whole random images", make_image_random},
}};
}  // namespace

std::span<const config::NameEntry<StrategyFactory>> strategy_table() {
  return kStrategies;
}

std::vector<std::string> strategy_names() {
  std::vector<std::string> names;
  for (const auto& entry : kStrategies) names.emplace_back(entry.name);
  return names;
}

std::string_view strategy_help(std::string_view name) {
  return config::find_entry(strategy_table(), name, "acquisition strategy").help;
}

std::unique_ptr<Strategy> make_strategy(std::string_view name) {
  return config::find_entry(strategy_table(), name, "acquisition strategy").make();
}

}  // namespace driftloop::adapt
