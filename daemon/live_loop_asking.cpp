// What the loop asks of people: when it may, of which regions, and how the choice gets into the outbox.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>

#include "config/check.h"
#include "config/redact.h"
#include "daemon/live_loop.h"
#include "daemon/stopwatch.h"

namespace driftloop::daemon {
namespace {
constexpr auto kLook = std::chrono::milliseconds(500);  // between two looks while waiting for the outside
}

/// Chooses this round's regions and saves the choice. When a stop comes first nothing is saved, and the next
/// start chooses again.
bool LiveLoop::ask() {
  const auto pace = parts_.pace.get();
  auto frames = static_cast<std::size_t>(engine_.labels().asked_regions == 0 ? pace.min_frames : 1);
  while (wait_for_frames(frames)) {
    const auto allowed = wait_for_allowance();
    if (!allowed) return false;
    std::vector<std::uint64_t> chosen;
    if (*allowed > 0) {
      if (!propose(*allowed, chosen)) return false;
      if (chosen.empty() && !nothing_chosen()) {
        frames = parts_.store.list().size() + 1;
        continue;
      }
    }
    code_regions(chosen);
    budget_.spend(static_cast<std::int64_t>(chosen.size()));
    place_.stage = Stage::wait;
    save(Extent::memory);
    return true;
  }
  return false;
}

/// Ids of the regions that the learner chose, `allowed` at the most; false at a stop.
bool LiveLoop::propose(std::int64_t allowed, std::vector<std::uint64_t>& chosen) {
  show("proposing");
  const Stopwatch watch(place_.seconds.propose);
  adapt::Budget budget = engine_.budget();
  budget.regions = budget.regions > 0 ? std::min(budget.regions, allowed) : allowed;
  for (const auto& region : engine_.propose(budget, stop_)) chosen.push_back(region.id);
  return !stopping();
}

/// Whether the round goes on although nothing was chosen. A camera brings more to choose from; a source that
/// is through does not.
bool LiveLoop::nothing_chosen() const {
  if (!parts_.health.is_finished(Owner::capture)) return false;
  if (place_.pending.empty() && engine_.labels().regions == 0)
    throw Error("there is nothing to ask for in the " + std::to_string(parts_.store.list().size()) +
                " frames of the source: raise engine.acquisition.share_per_round, or give more frames");
  return true;
}

/// Waits until a round's worth of regions may be asked, and says how many; 0 when instead enough late labels
/// of earlier rounds have come to be learnt from, nothing at a stop.
std::optional<std::int64_t> LiveLoop::wait_for_allowance() {
  while (!stopping()) {
    const auto pace = parts_.pace.get();
    const auto limits = ask_limits(pace);
    const std::int64_t may = budget_.available(limits, parts_.now());
    const std::int64_t room = pace.max_pending - static_cast<std::int64_t>(place_.pending.size());
    const std::int64_t worth = worth_a_round(limits);
    const std::int64_t least_room = std::min(worth, pace.max_pending);
    if (room >= least_room && (may < 0 || may >= worth)) return may < 0 ? room : std::min(room, may);
    if (late_answers() >= std::max<std::int64_t>(1, std::min<std::int64_t>(worth, place_.pending.size())))
      return 0;
    show("waiting", room < least_room
                        ? "loop.max_pending regions have no answer yet: new ones are asked when some return"
                        : "the day's regions are asked (loop.regions_per_day, loop.label_seconds_per_day)");
    parts_.news.wait(stop_, kLook);
    parts_.health.progress(Owner::adapt);
  }
  return std::nullopt;
}

/// So many allowed regions begin a round: a fuller one teaches more for the same training.
std::int64_t LiveLoop::worth_a_round(const AskLimits& limits) const {
  const double a_day = regions_per_day(limits);
  const auto a_round = static_cast<double>(parts_.options.engine.acquisition.regions_per_round);
  const double worth = a_round > 0 ? a_round : a_day / 4;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(a_day > 0 ? std::min(a_day, worth) : worth));
}

/// Answers in the inbox that no round has merged yet. Looks only when the outbox has changed.
std::int64_t LiveLoop::late_answers() {
  if (place_.pending.empty()) return 0;
  const std::uint64_t revision = parts_.outbox.revision();
  if (revision != late_revision_ || late_after_row_ != place_.merged_row) {
    late_revision_ = revision;
    late_after_row_ = place_.merged_row;
    late_answers_ = static_cast<std::int64_t>(parts_.outbox.labels_after(place_.merged_row).size());
  }
  return late_answers_;
}

/// Puts the saved choice into the outbox: all of it in one transaction, or what an earlier run put there.
bool LiveLoop::queue_regions() {
  std::vector<std::uint64_t> of_this_round;
  bool queued = false;
  for (const auto& region : place_.pending) {
    if (region.round != place_.round) continue;
    of_this_round.push_back(region.id);
    queued = queued || parts_.outbox.request(region.digest).has_value();
  }
  if (queued || of_this_round.empty()) {
    items_.clear();
  } else if (items_.empty()) {
    std::erase_if(place_.pending, [&](const PendingRegion& region) { return region.round == place_.round; });
    code_regions(of_this_round);
    save(Extent::memory);  // coded anew: the digests may differ where a picture came out with other bits
  }
  while (!items_.empty()) {
    if (parts_.outbox.add(items_) == uplink::StoreOutcome::done) {
      spdlog::info("round {}: {} regions queued", place_.round, items_.size());
      items_.clear();
      break;
    }
    show("proposing", "the disk is full: regions wait to be queued");
    parts_.news.wait(stop_, kLook);
    parts_.health.progress(Owner::adapt);
    if (stopping()) return false;
  }
  mark_asked_frames();
  return true;
}

bool LiveLoop::wait_for_frames(std::size_t at_least) {
  while (!stopping()) {
    const std::size_t frames = parts_.store.list().size();
    const bool all_there = parts_.health.is_finished(Owner::capture);
    if (frames >= at_least || (all_there && frames > 0)) return true;
    if (all_there)
      throw Error("the source " + config::without_secrets(parts_.options.camera.uri) +
                  " ended and no frame of it was kept: see camera.gate in status.json for why");
    show("capturing");
    parts_.news.wait(stop_, kLook);
    parts_.health.progress(Owner::adapt);
  }
  return false;
}

}  // namespace driftloop::daemon
