#include "daemon/bench/run_words.h"

#include <filesystem>

#include "daemon/report/format.h"

namespace driftloop::daemon {
namespace {

std::string rounds(const RunOptions& run) {
  return std::to_string(run.rounds) + (run.rounds == 1 ? " round" : " rounds");
}

std::string share(const RunOptions& run) {
  return percent(run.engine.acquisition.budget.share.value_or(1) * run.rounds);
}

}  // namespace

std::string words_of_dataset(const std::string& spec) {
  const auto colon = spec.find(':');
  if (colon == std::string::npos) return spec;
  const std::string kind = spec.substr(0, colon), argument = spec.substr(colon + 1);
  if (kind == "streetsim") return kind + ' ' + argument.substr(0, argument.find('?'));
  if (kind != "folder") return kind;
  const auto path = std::filesystem::path(argument).lexically_normal();
  return (path.has_filename() ? path.filename() : path.parent_path().filename()).string();
}

std::string title_in_words(const RunOptions& run) {
  const std::string from = words_of_dataset(run.source);
  std::string to = run.target_name.empty() ? words_of_dataset(run.target) : run.target_name;
  // "streetsim game → street": a kind that both share is said once.
  if (const auto space = from.find(' ');
      space != std::string::npos && to.starts_with(from.substr(0, space + 1)))
    to = to.substr(space + 1);
  return run.title + ": " + from + " → " + to + ", " + rounds(run) + ", " + share(run) + " of the pixels";
}

std::string budget_in_words(const RunOptions& run) {
  const std::string side = std::to_string(run.engine.acquisition.region_px);
  return share(run) + " of the pool's pixels in " + rounds(run) + ", regions of " + side + 'x' + side +
         " px, " + std::to_string(run.steps_per_round) + " training steps a round";
}

}  // namespace driftloop::daemon
