// An option struct as JSON, for the results it is stored with.
#pragma once
#include <functional>
#include <nlohmann/json.hpp>

#include "config/fields.h"

namespace driftloop::daemon {

nlohmann::json to_json_with(const std::function<void(config::Fields&)>& describe_all);

/// Every field under its key, sections as objects, lists as arrays, an absent value as null, a chosen part as
/// an object with its name.
template <class Options>
nlohmann::json options_json(const Options& options) {
  Options copy = options;
  return to_json_with([&](config::Fields& fields) { describe(fields, copy); });
}

}  // namespace driftloop::daemon
