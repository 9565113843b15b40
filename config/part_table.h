// A table of exchangeable parts that have options of their own. A part is one function that takes its options
// first, and one line:
//   std::unique_ptr<Strategy> make_cover(const CoverOptions& options, const Facts& facts);
//   constexpr std::array<config::PartEntry<std::unique_ptr<Strategy>(const Facts&)>, 1> kStrategies = {{
//       config::part<make_cover>("cover", "spread over what the net sees"),
//   }};
// Its owner holds a Chosen, describes it with Fields::chosen(key, value, choices_of(kStrategies), help), and
// gets the part by make_part(kStrategies, value, "acquisition strategy", facts).
#pragma once
#include <span>
#include <string_view>
#include <utility>

#include "config/chosen.h"

namespace driftloop::config {

template <class Signature>
struct PartEntry;
template <class Made, class... Args>
struct PartEntry<Made(Args...)> : Choice {
  Made (*make)(const Chosen&, Args...);
};

namespace detail {
template <auto maker, class Made, class Options, class... Args>
constexpr PartEntry<Made(Args...)> part_of(std::string_view name, std::string_view help,
                                           Made (*)(const Options&, Args...)) {
  return {{name, help, []() -> std::unique_ptr<Section> { return std::make_unique<SectionOf<Options>>(); }},
          [](const Chosen& chosen, Args... args) -> Made {
            return maker(chosen.options<Options>(), std::forward<Args>(args)...);
          }};
}
}  // namespace detail

/// A table's line; what the part is made from besides its options follows from `maker`. A part without
/// options takes NoOptions.
template <auto maker>
constexpr auto part(std::string_view name, std::string_view help) {
  return detail::part_of<maker>(name, help, maker);
}

template <class Table>
Choices choices_of(const Table& table) {
  return Choices(table.begin(), table.end());
}

/// Makes the chosen part. `what` is the word for the kind of thing. Throws Error when the table has none of
/// that name, and what the part's maker throws.
template <class Table, class... Args>
auto make_part(const Table& table, const Chosen& chosen, std::string_view what, Args&&... args) {
  for (const auto& entry : table)
    if (entry.name == chosen.name()) return entry.make(chosen, std::forward<Args>(args)...);
  throw_unknown_choice(choices_of(table), chosen.name(), what);
}

}  // namespace driftloop::config
