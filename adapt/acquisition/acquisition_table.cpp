// Every acquisition strategy: to add one, write its file and a line here. A maker takes the strategy's own
// options, or NoOptions.
#include <array>

#include "adapt/acquisition/strategies.h"
#include "config/part_table.h"

namespace driftloop::adapt {
namespace {
using config::part;

constexpr std::array kStrategies{
    part<make_cover>("cover",
                     "regions typical of what nothing was asked about yet: k-means over the pool's features"),
    part<make_ripu>("ripu", "regions of high impurity x uncertainty (Xie et al. 2022)"),
    part<make_ripu_pixel>("ripu_pixel",
                          "single pixels by impurity x uncertainty of a large window (Xie et al. 2022)"),
    part<make_pixelpick>("pixelpick",
                         "single pixels by lot from each frame's most uncertain ones (Shin et al. 2021)"),
    part<make_halo>("halo", "regions of large features x entropy (after Franco et al. 2023)"),
    part<make_herding>("herding",
                       "regions that cover the pool's features best, one by one (Bae et al. 2024)"),
    part<make_entropy>("entropy", "regions of the highest mean entropy"),
    part<make_margin>("margin", "regions where the two most probable classes are closest"),
    part<make_random>("random", "random regions: the control to beat"),
    part<make_image_entropy>("image_entropy",
                             "whole images of the highest mean entropy, a quota per city (Guan & Yuan 2023)"),
    part<make_image_random>("image_random", "whole random images"),
};
}  // namespace

config::Choices strategy_choices() {
  return config::choices_of(kStrategies);
}

std::optional<int> asked_side_px(const config::Chosen& strategy, int region_px) {
  return make_strategy(strategy)->asked_side_px(region_px);
}

std::unique_ptr<Strategy> make_strategy(const config::Chosen& strategy) {
  return config::make_part(kStrategies, strategy, "acquisition strategy");
}

}  // namespace driftloop::adapt
