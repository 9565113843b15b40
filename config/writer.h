// Option structs -> YAML text.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "config/fields.h"

namespace driftloop::config {

enum class Comments { none, help };

/// The effective options as YAML that `Layers` reads back to the same struct; with Comments::help each key is
/// explained.
std::string to_yaml_with(const std::function<void(Fields&)>& describe_all, Comments comments);
template <class Options>
std::string to_yaml(const Options& options, Comments comments = Comments::none) {
  Options copy = options;
  return to_yaml_with([&](Fields& fields) { describe(fields, copy); }, comments);
}

/// One line a setting, "section.key: value"; a list is one line.
std::vector<std::string> to_lines_with(const std::function<void(Fields&)>& describe_all);
template <class Options>
std::vector<std::string> to_lines(const Options& options) {
  Options copy = options;
  return to_lines_with([&](Fields& fields) { describe(fields, copy); });
}

/// The shortest text that reads back to the same number.
std::string number_text(double value);

}  // namespace driftloop::config
