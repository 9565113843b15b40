#include "adapt/data/spec_options.h"

#include <charconv>

#include "config/check.h"

namespace driftloop::adapt {

SpecOptions parse_spec_options(const std::string& argument) {
  const auto question = argument.find('?');
  SpecOptions parsed{argument.substr(0, question), {}};
  std::string rest = question == std::string::npos ? "" : argument.substr(question + 1);
  while (!rest.empty()) {
    const auto ampersand = rest.find('&');
    const std::string pair = rest.substr(0, ampersand);
    rest = ampersand == std::string::npos ? "" : rest.substr(ampersand + 1);
    const auto equals = pair.find('=');
    parsed.options.emplace_back(pair.substr(0, equals),
                                equals == std::string::npos ? "" : pair.substr(equals + 1));
  }
  return parsed;
}

std::int64_t whole_number(const std::string& kind, const std::string& key, const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0)
    throw Error(kind + ": '" + key + "' must be a whole number from 0, not '" + text + "'");
  return value;
}

}  // namespace driftloop::adapt
