// The text behind a data set's kind: "ROOT?key=value&key=value".
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace driftloop::adapt {

struct SpecOptions {
  std::string root;
  std::vector<std::pair<std::string, std::string>> options;  // in their order
};

SpecOptions parse_spec_options(const std::string& argument);

/// Throws Error naming `kind` and `key` when `text` is no whole number from 0.
std::int64_t whole_number(const std::string& kind, const std::string& key, const std::string& text);

}  // namespace driftloop::adapt
