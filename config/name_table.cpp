#include "config/name_table.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "config/check.h"
#include "config/command_line.h"

namespace driftloop::config {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substituted});
    }
  }
  return row.back();
}

}  // namespace

std::string nearest_name(std::string_view wanted, const std::vector<std::string>& candidates) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, wanted.size() / 3) + 1;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(wanted, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

void throw_unknown_name(std::string_view what, std::string_view wanted,
                        const std::vector<std::string>& known) {
  std::string message = std::string(what) + " '" + std::string(wanted) + "' is not known";
  if (const std::string near = nearest_name(wanted, known); !near.empty())
    message += "; did you mean '" + near + "'?";
  message += " (known:";
  for (const auto& name : known) message += ' ' + name;
  throw Error(message + ')');
}

std::string unknown_word_text(const std::string& kind, const std::string& word,
                              const std::vector<std::string>& known) {
  std::string text = "unknown " + kind + " '" + word + '\'';
  // "--out=x" is meant for "--out".
  const std::string near = nearest_name(word.substr(0, word.find('=')), known);
  if (!near.empty()) return text + "; did you mean '" + near + "'?";
  if (known.empty()) return text + "; see --help";
  text += " (known:";
  for (const auto& name : known) text += ' ' + name;
  return text + ')';
}

}  // namespace driftloop::config
