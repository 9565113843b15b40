// When a loop asks for what and how long it learns, on the vehicle and offline alike: a list of rounds.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapt/acquisition/options.h"
#include "config/fields.h"
#include "daemon/finding.h"

namespace driftloop::daemon {

/// A stretch of rounds that are alike. A round asks, merges what comes back, trains and judges.
struct RoundOptions {
  std::optional<std::int64_t> times = 1;
  int steps = 200;
  config::Chosen strategy{"cover"};
  adapt::BudgetOptions budget = {};
};
void describe(config::Fields& f, RoundOptions& o);

using RoundPlan = std::vector<RoundOptions>;

/// The round of this number, counted from 1; null after the end.
const RoundOptions* round_at(const RoundPlan& plan, std::int64_t number);
/// How many there are, and their training steps together; none = without end.
std::optional<std::int64_t> rounds_of(const RoundPlan& plan);
std::optional<std::int64_t> steps_of(const RoundPlan& plan);

/// Whether the budget pays for anything: else a round goes straight to training.
bool asks(const RoundOptions& round);
/// The first that asks; null when none does.
const RoundOptions* first_asking(const RoundPlan& plan);
/// The strategy of all rounds that ask; "" when they differ or none asks.
std::string own_strategy(const RoundPlan& plan);

enum class PlanOf { vehicle, benchmark };

/// What can never work; `key` is the list's own ("loop.rounds"). Failures only.
Findings plan_problems(const RoundPlan& plan, PlanOf whose, const std::string& key);

}  // namespace driftloop::daemon
