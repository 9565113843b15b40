#include "adapt/round.h"

#include <optional>

#include "adapt/acquisition/frame_choice.h"
#include "adapt/acquisition/region_budget.h"
#include "adapt/acquisition/scan_log.h"
#include "adapt/pool_view.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {

// Uses of a round's seed, for config::mixed_seed.
constexpr std::uint64_t kSelect = 4, kGuard = 5, kFrames = 6;

AskedCount asked_so_far(const TargetLabels& labels) {
  AskedCount count;
  for (const auto& [id, asked] : labels.asked()) {
    ++count.regions;
    count.guard += asked.purpose == Purpose::guard;
  }
  return count;
}

/// The first regions, as many as `budget` pays for.
void cut(std::vector<Region>& regions, const Budget& budget) {
  std::size_t paid = 0;
  for (std::int64_t pixels = 0; paid < regions.size(); ++paid) {
    pixels += regions[paid].box_px.area();
    const auto count = static_cast<std::int64_t>(paid) + 1;
    if (limited(pixels, budget.pixels) < pixels || limited(count, budget.regions) < count) break;
  }
  regions.resize(paid);
}

/// What the strategy may ask for beside the guard.
Budget without(Budget budget, const std::vector<Region>& guard) {
  for (const auto& region : guard)
    if (budget.pixels) *budget.pixels -= region.box_px.area();
  if (budget.regions) *budget.regions -= static_cast<std::int64_t>(guard.size());
  return budget;
}

class Round {
 public:
  Round(const RoundParts& parts, const ProposeRequest& request, ScanLog* log)
      : parts_(parts),
        request_(request),
        log_(log),
        frames_(log != nullptr && log->plan() ? log->plan()->frames : round_frames(parts)),
        budget_(least(request.budget, {.pixels = size_of(frames_).pixels})),
        view_(parts.teacher, parts.pool, parts.labels, frames_) {
    // What is under way keeps its budget; a lower one counts at once.
    if (log != nullptr && log->plan()) budget_ = least(budget_, log->plan()->budget);
  }

  RoundChoice choose() {
    RoundChoice choice;
    choice.frames = frames_;
    if (!choose_guard(choice.guard)) return stopped(choice);
    view_.mark(choice.guard);
    const Budget left = without(budget_, choice.guard);
    if (!pays_nothing(left)) {
      Selection chosen = select(request_.strategy, left, kSelect, log_);
      if (chosen.stopped) return stopped(choice);
      choice.train = std::move(chosen.regions);
    }
    choice.scored = scored_;
    view_.note_gone();
    const auto gone = [&](const Region& region) { return view_.gone().contains(region.frame_id); };
    std::erase_if(choice.guard, gone);
    std::erase_if(choice.train, gone);
    return choice;
  }

 private:
  static RoundChoice stopped(RoundChoice& choice) {
    choice = {};
    choice.stopped = true;
    return choice;
  }

  /// The guard set must look like the road, not like the strategy's taste: its share is random. False when
  /// stopped.
  bool choose_guard(std::vector<Region>& guard) {
    const Budget budget =
        guard_budget(budget_, parts_.guard.share, parts_.acquisition.region_px, asked_so_far(parts_.labels));
    const bool resumed = log_ != nullptr && log_->plan();
    if (resumed) {
      guard = log_->plan()->guard;
    } else if (parts_.guard.enabled && !pays_nothing(budget)) {
      Selection chosen = select(config::Chosen("random"), budget, kGuard, nullptr);
      if (chosen.stopped) return false;
      guard = std::move(chosen.regions);
    }
    cut(guard, budget);
    if (log_ != nullptr && !resumed) log_->begin({budget_, frames_, guard});
    return true;
  }

  Selection select(const config::Chosen& strategy, const Budget& budget, std::uint64_t use, ScanLog* log) {
    SelectRequest request{.region_px = parts_.acquisition.region_px,
                          .budget = budget,
                          .seed = config::mixed_seed(parts_.seed, use),
                          .stop = request_.stop,
                          .ranks = &parts_.ranks};
    request.progress = [&](std::size_t done) {
      scored_ = use == kSelect;
      if (request_.progress) request_.progress({scored_ ? done : 0, frames_.size()});
    };
    return make_strategy(strategy)->select(view_, request, log);
  }

  const RoundParts& parts_;
  const ProposeRequest& request_;
  ScanLog* log_;
  std::vector<PoolFrame> frames_;
  Budget budget_;
  EnginePoolView view_;
  bool scored_ = false;  // the strategy went through the frames
};

}  // namespace

std::vector<PoolFrame> round_frames(const RoundParts& parts) {
  std::set<std::string> asked;
  for (const auto& [id, a] : parts.labels.asked()) asked.insert(a.region.frame_id);
  return choose_frames(parts.pool.frames(), {.max_frames = parts.acquisition.max_frames,
                                             .seed = config::mixed_seed(parts.seed, kFrames),
                                             .looked_at = parts.looked_at,
                                             .asked = asked});
}

PoolSize size_of(const std::vector<PoolFrame>& frames) {
  PoolSize size{.frames = std::ssize(frames)};
  for (const auto& frame : frames)
    size.pixels += static_cast<std::int64_t>(frame.size_px.width) * frame.size_px.height;
  return size;
}

RoundChoice choose_round(const RoundParts& parts, const std::string& key, const ProposeRequest& request) {
  if (request.scratch.empty()) return Round(parts, request, nullptr).choose();
  ScanLog log(request.scratch, key, request.save_every_frames);
  RoundChoice choice = Round(parts, request, &log).choose();
  if (!choice.stopped) log.clear();
  choice.resumed_frames = log.found();
  choice.scratch_problem = log.problem();
  return choice;
}

}  // namespace driftloop::adapt
