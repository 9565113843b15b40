// One layer -> option structs.
#pragma once
#include <functional>
#include <map>
#include <string>

#include "config/fields.h"
#include "config/layer.h"

namespace driftloop::config {

/// Of "section.key" and "list[0].key": where the value in effect was given.
using PlaceOf = std::map<std::string, std::string>;

/// Throws Error on the first mistake: unknown or duplicate key, wrong type, out of range.
void read_layer(const Layer& layer, const std::function<void(Fields&)>& describe_all, PlaceOf& places);

}  // namespace driftloop::config
