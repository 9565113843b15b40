// Option structs with everything that Fields can say, and a table of parts as the rooms have them.
#pragma once
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/fields.h"
#include "config/part_table.h"

namespace driftloop::config::test {

struct CoverOptions {
  double balance = 0.5;
  int clusters = 64;
};
inline void describe(Fields& f, CoverOptions& o) {
  f.field("balance", o.balance, {0, 1}, "share^-balance");
  f.field("clusters", o.clusters, {1, 1000}, "clusters at most");
}
struct DoubtOptions {
  std::optional<double> floor;
  std::string measure = "entropy";
};
inline void describe(Fields& f, DoubtOptions& o) {
  f.field("floor", o.floor, {0, 1}, "doubt at least");
  f.choice("measure", o.measure, {"entropy", "margin"}, "of doubt");
}

/// What the parts make: a text of their options and of what else they were given.
inline std::string make_random(const NoOptions&, int seed) {
  return "random " + std::to_string(seed);
}
inline std::string make_cover(const CoverOptions& o, int seed) {
  return "cover " + std::to_string(o.clusters) + ' ' + std::to_string(seed);
}
inline std::string make_doubt(const DoubtOptions& o, int) {
  return "doubt " + o.measure;
}

inline constexpr std::array<PartEntry<std::string(int)>, 3> kParts = {{
    part<make_random>("random", "anywhere"),
    part<make_cover>("cover", "spread out"),
    part<make_doubt>("doubt", "where the net is unsure"),
}};

struct Round {
  std::int64_t at = 0;
  int steps = 100;
  std::optional<std::int64_t> budget;
  std::vector<std::string> tags;
  Chosen strategy{"cover"};
};
inline void describe(Fields& f, Round& o) {
  f.field("at", o.at, {0, 1'000'000}, "step at which it begins");
  f.field("steps", o.steps, {1, 100'000}, "training steps");
  f.field("budget", o.budget, {1}, "pixels asked for");
  f.field("tags", o.tags, "words");
  f.chosen("strategy", o.strategy, choices_of(kParts), "how regions are chosen");
}

struct Plan {
  std::string title = "a plan";
  std::optional<double> rate = 0.1;
  Chosen strategy{"cover", CoverOptions{.balance = 0.25, .clusters = 64}};
  std::vector<Round> rounds = {Round{}};
  std::vector<Chosen> losses = {Chosen("random")};
};
inline void describe(Fields& f, Plan& o) {
  f.field("title", o.title, "of the plan");
  f.field("rate", o.rate, {}, "per second");
  f.chosen("strategy", o.strategy, choices_of(kParts), "how regions are chosen");
  f.list("rounds", o.rounds, "what is done when");
  f.gone("speed", "it is called rate now, per second");
  f.chosen("losses", o.losses, choices_of(kParts), "terms of the sum");
}

}  // namespace driftloop::config::test
