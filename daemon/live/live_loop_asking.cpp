// What the loop asks of people: when it may, of which regions, and how the choice gets into the outbox.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "config/check.h"
#include "daemon/live/live_loop.h"
#include "daemon/stopwatch.h"

namespace driftloop::daemon {

/// Chooses this round's regions and saves the choice. When a stop comes first nothing is saved, and the next
/// start chooses again.
bool LiveLoop::ask() {
  const auto pace = parts_.pace.get();
  const auto frames = engine_.labels().asked_regions == 0 ? pace.min_frames : 1;
  while (wait_for_frames(static_cast<std::size_t>(frames))) {
    const auto allowed = wait_for_allowance();
    if (!allowed) return false;
    std::vector<std::uint64_t> chosen;
    if (allowed->regions > 0) {
      if (!propose(*allowed, chosen)) return false;
      if (chosen.empty() && !nothing_chosen()) {
        if (!wait_for_new_frames(static_cast<std::uint64_t>(1 + pace.min_frames / 10))) return false;
        continue;
      }
    }
    place_.strategy = allowed->round.strategy.name();
    if (!desk_.code(chosen)) return false;
    budget_.spend(static_cast<std::int64_t>(chosen.size()));
    place_.stage = Stage::wait;
    save(Extent::memory);
    return true;
  }
  return false;
}

/// Ids of the regions that the learner chose, as many as are allowed at the most; false at a stop. What was
/// looked at before a stop or a kill is not looked at again: with short trips a round's choice would never
/// come to its end.
bool LiveLoop::propose(const Allowance& allowed, std::vector<std::uint64_t>& chosen) {
  show("proposing");
  const Stopwatch watch(place_.seconds.propose);
  adapt::ProposeReport report;
  const bool done = with_memory([&] {
    const auto budget =
        engine_.budget(allowed.round.budget, allowed.round.strategy, desk_.bytes_per_region());
    adapt::ProposeRequest request{.strategy = allowed.round.strategy,
                                  .budget = adapt::least(budget, {.regions = allowed.regions})};
    request.stop = stop_;
    request.scratch = parts_.state.scratch();
    request.progress = [&](const adapt::ProposeProgress&) { parts_.health.progress(Owner::adapt); };
    report = engine_.propose(request);
  });
  if (!report.scratch_problem.empty()) spdlog::warn("proposing: {}", report.scratch_problem);
  if (report.resumed_frames > 0)
    spdlog::info("round {}: went on after {} of {} frames", place_.round, report.resumed_frames,
                 report.frames);
  for (const auto& region : report.regions) chosen.push_back(region.id);
  return done && !report.stopped;
}

/// Whether the round goes on although nothing was chosen. A camera brings more to choose from; a source that
/// is through does not.
bool LiveLoop::nothing_chosen() const {
  if (!parts_.health.is_finished(Owner::capture)) return false;
  if (place_.pending.empty() && engine_.labels().regions == 0)
    throw Error("there is nothing to ask for in the " + std::to_string(parts_.store.list().size()) +
                " frames of the source: raise the budget of loop.rounds, or give more frames");
  return true;
}

/// Waits until a round's worth of regions may be asked, and says how many; 0 when instead enough late labels
/// of earlier rounds have come to be learnt from, or the round asks for nothing. Nothing at a stop.
std::optional<LiveLoop::Allowance> LiveLoop::wait_for_allowance() {
  while (!stopping()) {
    const RoundOptions round = this->round();
    if (!asks(round)) {
      if (round.times || can_learn() || !place_.pending.empty()) return Allowance{round, 0};
      show("waiting", "loop.rounds ask for no more labels, and there is nothing to learn from");
      rest();
      continue;
    }
    const auto pace = parts_.pace.get();
    const auto limits = ask_limits(pace);
    const auto may = budget_.available(limits, parts_.now());
    const std::int64_t room = pace.max_pending - desk_.open();
    const std::int64_t worth = worth_a_round(limits, round);
    const std::int64_t least_room = std::min(worth, pace.max_pending);
    if (room >= least_room && adapt::limited(worth, may) == worth)
      return Allowance{round, adapt::limited(room, may)};
    if (desk_.late_answers() >=
        std::max<std::int64_t>(1, std::min<std::int64_t>(worth, place_.pending.size())))
      return Allowance{round, 0};
    show("waiting", room < least_room
                        ? "loop.max_pending regions have no answer yet: new ones are asked when some return"
                        : "the day's regions are asked (loop.regions_per_day, loop.label_seconds_per_day)");
    rest();
  }
  return std::nullopt;
}

/// So many allowed regions begin a round: a fuller one teaches more for the same training.
std::int64_t LiveLoop::worth_a_round(const AskLimits& limits, const RoundOptions& round) const {
  constexpr double kRoundsADay = 4;
  const auto a_day = regions_per_day(limits);
  const int side = parts_.options.engine.acquisition.region_px;
  const auto a_round = adapt::budget_of(round.budget, {}, side, {.bytes = desk_.bytes_per_region()}).regions;
  const double worth = a_round ? static_cast<double>(*a_round) : a_day.value_or(1) / kRoundsADay;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::min(worth, a_day.value_or(worth))));
}

/// Puts the saved choice into the outbox: all of it in one transaction, or what an earlier run put there.
bool LiveLoop::queue_regions() {
  if (desk_.must_code_again()) {
    if (!desk_.code_again()) return false;
    save(Extent::memory);
  }
  while (desk_.queue() != uplink::StoreOutcome::done) {
    show("proposing", "the disk is full: regions wait to be queued");
    rest();
    if (stopping()) return false;
  }
  desk_.mark_frames();
  return true;
}

}  // namespace driftloop::daemon
