#include "daemon/bench/arm_variant.h"

#include <algorithm>
#include <set>

#include "config/check.h"
#include "config/layers.h"
#include "config/name_table.h"
#include "daemon/bench/offline_options.h"

namespace driftloop::daemon {
namespace {

/// What a variant may set: the learner and nothing else, as all arms share data and start.
struct LearnerSettings {
  adapt::EngineOptions& engine;
};
void describe(config::Fields& f, LearnerSettings& o) {
  f.section("engine", o.engine, "settings of the learner");
}

void change_by(const ArmVariant& variant, RunOptions& run) {
  if (!variant.rounds.empty()) run.rounds = variant.rounds;
  LearnerSettings settings{run.engine};
  config::Layers("", "", variant.set).apply(settings);
}

const ArmVariant* find_variant(const RunOptions& run, std::string_view name) {
  const auto found = std::find_if(run.variants.begin(), run.variants.end(),
                                  [&](const ArmVariant& variant) { return variant.name == name; });
  return found == run.variants.end() ? nullptr : &*found;
}

bool can_be_a_folder(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
}

}  // namespace

void describe(config::Fields& f, ArmVariant& o) {
  f.field("name", o.name, "as in `arms`: letters, digits, _ and -");
  f.field("like", o.like, "the arm of the table that it is beside what is set here");
  f.field("title", o.title, "in words, for people; empty = the name");
  f.field("explanation", o.explanation, "one sentence for a newcomer; empty = that of the arm it is like");
  f.list("rounds", o.rounds, "its own rounds; empty = those of the run");
  f.field("set", o.set, "its own settings of the learner, as engine.selftrain.weight=0");
}

ArmEntry arm_of(const RunOptions& run, std::string_view name) {
  const ArmVariant* variant = find_variant(run, name);
  if (variant == nullptr) {
    std::vector<std::string> known;
    for (const auto& own : run.variants) known.push_back(own.name);
    for (const auto& entry : arm_table()) {
      if (entry.name == name) return entry;
      known.push_back(entry.name);
    }
    config::throw_unknown_name("arm", name, known);
  }
  ArmEntry entry = arm_entry(variant->like);
  entry.name = variant->name;
  if (entry.role != Role::choice) entry.role = Role::control;  // of the others a report has one
  entry.title = variant->title.empty() ? in_words(variant->name) : variant->title;
  if (!variant->explanation.empty()) entry.explanation = variant->explanation;
  entry.change = [own = *variant, base = entry.change](RunOptions& changed) {
    change_by(own, changed);
    base(changed);
  };
  return entry;
}

Findings variant_problems(const RunOptions& run, const std::string& key) {
  Findings found;
  std::set<std::string> names;
  for (const auto& entry : arm_table()) names.insert(entry.name);
  for (std::size_t i = 0; i < run.variants.size(); ++i) {
    const ArmVariant& variant = run.variants[i];
    const std::string entry = key + '[' + std::to_string(i) + ']';
    const auto fail = [&](const std::string& what, const std::string& text) {
      found.push_back({Finding::Level::fail, entry + what, entry + what + ' ' + text, {}});
    };
    if (!can_be_a_folder(variant.name))
      fail(".name", "'" + variant.name + "' names a folder: give it letters, digits, _ and -");
    else if (!names.insert(variant.name).second)
      fail(".name", "'" + variant.name + "' is an arm already: give it another name");
    try {
      arm_entry(variant.like);
      RunOptions changed = run;
      change_by(variant, changed);
    } catch (const Error& error) {
      fail("", std::string("cannot work: ") + error.what());
    }
    if (variant.rounds.empty()) continue;
    const auto problems = plan_problems(variant.rounds, PlanOf::benchmark, entry + ".rounds");
    found.insert(found.end(), problems.begin(), problems.end());
  }
  return found;
}

Arm empty_arm(const RunOptions& run, std::string_view name) {
  const ArmEntry entry = arm_of(run, name);
  Arm arm;
  arm.name = entry.name;
  arm.title = entry.title;
  arm.explanation = entry.explanation;
  arm.role = entry.role;
  return arm;
}

}  // namespace driftloop::daemon
