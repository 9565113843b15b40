#include "config/chosen.h"

#include "config/name_table.h"

namespace driftloop::config {

void throw_unknown_choice(const Choices& choices, std::string_view name, std::string_view what) {
  std::vector<std::string> known;
  for (const auto& choice : choices) known.emplace_back(choice.name);
  throw_unknown_name(what, name, known);
}

const Choice& find_choice(const Choices& choices, std::string_view name, std::string_view what) {
  for (const auto& choice : choices)
    if (choice.name == name) return choice;
  throw_unknown_choice(choices, name, what);
}

std::unique_ptr<Section> Chosen::section(const Choices& choices, std::string_view what) const {
  const Choice& choice = find_choice(choices, name_, what);
  return section_ ? section_->clone() : choice.defaults();
}

}  // namespace driftloop::config
