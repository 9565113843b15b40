#include "daemon/round_plan.h"

namespace driftloop::daemon {
namespace {

constexpr std::int64_t kMostSteps = 100'000'000;  // as train.horizon_steps

/// The sum of `each` over all rounds; none when they have no end.
template <class Each>
std::optional<std::int64_t> sum_of(const RoundPlan& plan, const Each& each) {
  std::int64_t sum = 0;
  for (const auto& round : plan) {
    if (!round.times) return std::nullopt;
    sum += *round.times * each(round);
  }
  return sum;
}

}  // namespace

void describe(config::Fields& f, RoundOptions& o) {
  f.field("times", o.times, {1, 1'000'000},
          "so many rounds like this one; none = for ever, which only the last entry of a vehicle's list can "
          "say");
  f.field("steps", o.steps, {1, 10'000'000}, "training steps of each of them");
  f.chosen("strategy", o.strategy, adapt::strategy_choices(), "how each chooses what to ask for");
  f.section("budget", o.budget,
            "what each may ask for: every value is a limit of its own and the least holds; without any it is "
            "all of the pool. A round that may ask for nothing (regions: 0) goes straight to training, as in "
            "a warm-up of self-training");
}

const RoundOptions* round_at(const RoundPlan& plan, std::int64_t number) {
  if (number < 1) return nullptr;
  for (const auto& round : plan) {
    if (!round.times || number <= *round.times) return &round;
    number -= *round.times;
  }
  return nullptr;
}

std::optional<std::int64_t> rounds_of(const RoundPlan& plan) {
  return sum_of(plan, [](const RoundOptions&) { return std::int64_t{1}; });
}

std::optional<std::int64_t> steps_of(const RoundPlan& plan) {
  return sum_of(plan, [](const RoundOptions& round) { return std::int64_t{round.steps}; });
}

bool asks(const RoundOptions& round) {
  constexpr adapt::PoolSize kLarge{.frames = 1, .pixels = std::int64_t{1} << 40};
  return !adapt::pays_nothing(adapt::budget_of(round.budget, kLarge, 1, {.bytes = 1.0}));
}

const RoundOptions* first_asking(const RoundPlan& plan) {
  for (const auto& round : plan)
    if (asks(round)) return &round;
  return nullptr;
}

std::string own_strategy(const RoundPlan& plan) {
  const RoundOptions* first = first_asking(plan);
  if (first == nullptr) return {};
  for (const auto& round : plan)
    if (asks(round) && round.strategy.name() != first->strategy.name()) return {};
  return first->strategy.name();
}

Findings plan_problems(const RoundPlan& plan, PlanOf whose, const std::string& key) {
  Findings found;
  const auto fail = [&](const std::string& at, const std::string& text) {
    found.push_back({Finding::Level::fail, at, text, {}});
  };
  if (plan.empty()) fail(key, key + " is empty: write at least one round, as " + key + ": [{steps: 200}]");
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const std::string entry = key + '[' + std::to_string(i) + ']';
    if (!plan[i].times && i + 1 < plan.size())
      fail(entry + ".times", entry + ".times is none, for ever, and other rounds follow: give a number");
    if (whose == PlanOf::vehicle) continue;
    if (!plan[i].times)
      fail(entry + ".times", entry + ".times is none, for ever, and a benchmark must end: give a number");
    if (plan[i].budget.bytes)
      fail(entry + ".budget.bytes",
           entry +
               ".budget.bytes needs a link that regions are sent on, and a benchmark has none: limit "
               "pixels or regions");
  }
  if (const auto steps = steps_of(plan); steps.value_or(0) > kMostSteps)
    fail(key, key + " have " + std::to_string(*steps) + " training steps together: at most " +
                  std::to_string(kMostSteps) + " are possible");
  return found;
}

}  // namespace driftloop::daemon
