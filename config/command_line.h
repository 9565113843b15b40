// A slip on a command line, named with the nearest word. The programs parse with CLI11; this room does
// without its header, so the application is a template's argument.
#pragma once
#include <string>
#include <vector>

#include "config/name_table.h"

namespace driftloop::config {

/// "unknown option '--confg'; did you mean '--config'?", or with the words that are known when none is near.
/// `kind` is "option", "subcommand" or "argument".
std::string unknown_word_text(const std::string& kind, const std::string& word,
                              const std::vector<std::string>& known);

/// Call after `app` (a CLI::App) refused its command line: the first word that neither it nor a chosen
/// subcommand of it knows, as one line. "" when the mistake is another.
template <class App>
std::string unknown_word_of(const App& app) {
  const App* inner = &app;  // what the words were meant for: the last subcommand that was understood
  while (!inner->get_subcommands().empty()) inner = inner->get_subcommands().back();
  const std::vector<std::string> rest = app.remaining(true);
  std::vector<std::string> options, subcommands;
  for (const auto* option : inner->get_options({}))
    for (const auto& name : option->get_lnames()) options.push_back("--" + name);
  for (const auto* command : inner->get_subcommands([](const App* one) { return !one->get_group().empty(); }))
    subcommands.push_back(command->get_name());
  if (rest.empty()) return {};
  const auto is_option = [](const std::string& word) { return word.size() > 1 && word.front() == '-'; };
  if (!subcommands.empty() && !is_option(rest.front()))
    return unknown_word_text("subcommand", rest.front(), subcommands);
  for (const auto& word : rest)  // before what may be its value
    if (is_option(word)) return unknown_word_text("option", word, options);
  return unknown_word_text("argument", rest.front(), {});
}

}  // namespace driftloop::config
