// An exchangeable part is a name, a line of help and a factory, in one explicit array: no registration by
// static objects.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace driftloop::config {

template <class Factory>
struct NameEntry {
  std::string_view name;
  std::string_view help;
  Factory make;
};

/// The candidate nearest to `wanted` by edit distance, or "" when none is near enough to be a typing mistake.
std::string nearest_name(std::string_view wanted, const std::vector<std::string>& candidates);

/// Throws Error: "<what> 'wanted' is not known; did you mean 'x'? (known: a, b, c)".
[[noreturn]] void throw_unknown_name(std::string_view what, std::string_view wanted,
                                     const std::vector<std::string>& known);

/// The entry called `name`. `what` is the word for the kind of thing ("acquisition strategy"). Throws Error
/// when there is none.
template <class Factory>
const NameEntry<Factory>& find_entry(std::span<const NameEntry<Factory>> table, std::string_view name,
                                     std::string_view what) {
  std::vector<std::string> known;
  for (const auto& entry : table) {
    if (entry.name == name) return entry;
    known.emplace_back(entry.name);
  }
  throw_unknown_name(what, name, known);
}

}  // namespace driftloop::config
