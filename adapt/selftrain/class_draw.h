// Drawing classes by how little is known of them.
#pragma once
#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "config/random.h"

namespace driftloop::adapt {

/// An index with probability softmax(logit). At least one.
std::size_t draw_by_softmax(std::span<const double> logit, config::Random& random);

/// The classes of a label space that are rare in a street: all but road, sidewalk, building, vegetation and
/// sky.
std::vector<int> rare_classes(std::string_view label_space);

/// At most `count` different ones of `classes`, one after the other with probability softmax(sqrt(1 -
/// confidence)) among those left.
std::vector<int> draw_unsure_classes(std::vector<int> classes, std::span<const double> confidence_c,
                                     int count, config::Random& random);

}  // namespace driftloop::adapt
