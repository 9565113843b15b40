#include "adapt/engine.h"

#include <cmath>
#include <set>

#include "adapt/acquisition/strategy.h"
#include "adapt/click_price.h"
#include "adapt/data/augment.h"
#include "adapt/engine_impl.h"
#include "adapt/eval/evaluate.h"
#include "adapt/eval/guard.h"
#include "adapt/eval/norm_estimate.h"
#include "adapt/model/weights.h"
#include "adapt/out_of_memory.h"
#include "config/check.h"
#include "config/digest.h"
#include "config/label_space.h"
#include "config/layers.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {

// Uses of randomness, for config::mixed_seed.
constexpr std::uint64_t kInit = 1, kDropout = 2, kBatch = 3, kRound = 4, kMix = 5, kNorm = 6, kWish = 7;
constexpr std::uint64_t kUses = 8;  // of a rank

}  // namespace

Engine::Impl::Impl(const EngineOptions& o, std::shared_ptr<const Dataset> source_data, FramePool& frame_pool,
                   std::uint64_t run_seed, const Ranks& all_ranks)
    : options(o),
      device(resolve_device(o.device)),
      source(std::move(source_data)),
      pool(frame_pool),
      seed(run_seed),
      ranks(all_ranks),
      trainer(spec_of(o), o.train, o.selftrain, device, config::mixed_seed(run_seed, kInit), ranks),
      live(std::make_shared<PlacedNet>(*trainer.teacher(), device)),
      candidate(trainer.teacher()),
      batch_share(o) {}

void Engine::Impl::ask(std::vector<Region>& regions, Purpose purpose,
                       const std::map<std::string, cv::Size>& sizes) {
  for (auto& region : regions) region.id = labels.ask(region, purpose, sizes.at(region.frame_id));
}

RoundParts Engine::Impl::round() {
  return {options.acquisition,
          options.guard,
          *trainer.teacher(),
          pool,
          labels,
          looked_at,
          config::mixed_seed(seed, labels.totals().asked, kRound),
          ranks};
}

std::string Engine::Impl::round_key(const config::Chosen& strategy) {
  const auto describe_strategy = [&](config::Fields& fields) {
    config::Chosen copy = strategy;
    fields.chosen("strategy", copy, strategy_choices(), "");
  };
  return config::sha256_hex(std::to_string(round().seed) + ' ' + trainer.teacher()->digest() + ' ' +
                            std::to_string(options.input.work_long_side_px) + '\n' +
                            config::to_yaml_with(describe_strategy, config::Comments::none) +
                            config::to_yaml(options.acquisition) + config::to_yaml(options.guard));
}

void Engine::Impl::note_looked_at(const std::vector<PoolFrame>& frames) {
  if (!options.acquisition.max_frames) return;
  for (const auto& frame : frames) looked_at.insert(frame.id);
  std::set<std::string> there;
  for (const auto& frame : pool.frames()) there.insert(frame.id);
  std::erase_if(looked_at, [&](const std::string& id) { return !there.contains(id); });
}

void Engine::Impl::fit_norm(PlacedNet& net, int frames) const {
  if (frames > 0) estimate_norm(net, pool, frames, config::mixed_seed(seed, kNorm));
}

bool Engine::Impl::with_memory(const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const std::exception& error) {
    // Several ranks cannot go on when one of them has not done its part.
    if (!is_out_of_memory(error) || ranks.count() > 1) throw;
  }
  try {
    trainer.mend();
  } catch (const std::exception& error) {  // then the next step does it
    if (!is_out_of_memory(error)) throw;
  }
  release_cached_memory(device);
  return false;
}

Engine::Engine(const EngineOptions& options, std::shared_ptr<const Dataset> source, FramePool& pool,
               std::uint64_t seed, const Ranks& ranks) {
  if (options.threads > 0) torch::set_num_threads(options.threads);
  impl_ = needing_memory("build the nets", torch::kCPU, [&] {
    return std::make_unique<Impl>(options, std::move(source), pool, seed, ranks);
  });
}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;

TrainReport Engine::train(const TrainRequest& request) {
  Impl& s = *impl_;
  const bool self_train = s.options.selftrain.weight > 0 &&
                          (s.options.selftrain.before_labels || s.labels.pixels(Purpose::train) > 0);
  const std::int64_t until = s.trainer.steps() + request.steps;
  const int patience = s.options.train.max_bad_steps;
  std::optional<Batches> batches;
  TrainReport report;
  for (const auto& term : s.trainer.terms()) report.losses.emplace_back(term.name, 0);
  int refused_in_a_row = 0;
  StepClock clock(s.device, request.part_seconds);
  s.trainer.time_into(request.part_seconds);
  while (s.trainer.steps() < until) {
    if (s.ranks.any(request.stop.stop_requested())) {
      report.stopped = true;
      break;
    }
    std::optional<StepLosses> losses;
    const bool had_memory = s.with_memory([&] {
      if (!batches)
        batches.emplace(s.options, s.source.get(), s.pool, s.labels,
                        self_train ? Unlabelled::drawn : Unlabelled::none, config::mixed_seed(s.seed, kBatch),
                        s.ranks);
      const std::int64_t step = s.trainer.steps();
      const auto seed_of = [&](std::uint64_t use) {
        return config::mixed_seed(s.seed, step, use + kUses * static_cast<std::uint64_t>(s.ranks.rank()));
      };
      torch::manual_seed(seed_of(kDropout));
      config::Random random(seed_of(kMix)), of_wishes(seed_of(kWish));
      clock.start();
      const auto batch = batches->draw(step, s.batch_share.value(), s.trainer.wishes(of_wishes));
      clock.end("waiting for images");
      if (batch) losses = s.trainer.step(*batch, random);
    });
    if (!had_memory) {
      ++report.memory_failures;
      if (s.batch_share.halve() || ++refused_in_a_row <= patience) continue;  // the same step again
      s.trainer.skip_step();  // should it be this very batch that does not fit
      report.out_of_memory = true;
      break;
    }
    refused_in_a_row = 0;
    if (!losses) break;  // nothing to learn from yet
    s.batch_share.count_good_step();
    if (!losses->finite) {
      if (++report.bad_steps <= patience) continue;
      report.out_of_memory =
          !s.with_memory([&] { s.trainer.restart_from(s.live.placed()->net(), EmaStart::warm); });
      report.gave_up = true;
      break;
    }
    ++report.steps;
    for (std::size_t term = 0; term < report.losses.size(); ++term)
      report.losses[term].second += losses->terms[term];
    if (request.progress &&
        !s.with_memory([&] { request.progress({report.steps, request.steps, losses->total}); }))
      ++report.memory_failures;
  }
  s.trainer.time_into(nullptr);
  for (auto& [name, mean] : report.losses) mean /= std::max(1, report.steps);
  report.batch_share = s.batch_share.value();
  return report;
}

double TrainReport::loss(std::string_view term) const {
  for (const auto& [name, mean] : losses)
    if (name == term) return mean;
  return 0;
}

std::string TrainReport::loss_text() const {
  std::string text;
  for (const auto& [name, mean] : losses) {
    char number[32];
    std::snprintf(number, sizeof number, "%.3f ", mean);
    text += (text.empty() ? "" : ", ") + (number + name);
  }
  return text;
}

Budget Engine::budget(const BudgetOptions& options, const config::Chosen& strategy,
                      const std::optional<double>& bytes_per_region) const {
  const Impl& s = *impl_;
  const auto frames = round_frames(impl_->round());
  RegionPrice price{.bytes = bytes_per_region};
  if (options.clicks) price.clicks = s.clicks_of_a_region(strategy, frames);
  return budget_of(options, size_of(frames), s.options.acquisition.region_px, price);
}

double Engine::Impl::clicks_of_a_region(const config::Chosen& strategy,
                                        const std::vector<PoolFrame>& frames) const {
  const auto& so_far = labels.totals();
  const std::int64_t regions = so_far.answered - so_far.images;
  if (regions > 0) return static_cast<double>(so_far.clicks) / static_cast<double>(regions);
  const auto side = asked_side_px(strategy, options.acquisition.region_px);
  if (!source || frames.empty() || side.value_or(1) == 1) return 1;
  const auto size = frames.front().size_px;
  return click_price(*source, config::label_space(options.label_space),
                     static_cast<double>(*side) / std::max(size.width, size.height));
}

ProposeReport Engine::propose(const ProposeRequest& request) {
  Impl& s = *impl_;
  const std::uint64_t asked_before = s.labels.totals().asked;
  try {
    const std::string key = request.scratch.empty() ? "" : s.round_key(request.strategy);
    RoundChoice choice = choose_round(s.round(), key, request);
    ProposeReport report{.regions = {},
                         .stopped = choice.stopped,
                         .frames = choice.frames.size(),
                         .resumed_frames = choice.resumed_frames,
                         .scratch_problem = std::move(choice.scratch_problem)};
    if (choice.stopped) return report;
    std::map<std::string, cv::Size> sizes;
    for (const auto& frame : choice.frames) sizes[frame.id] = frame.size_px;
    s.ask(choice.guard, Purpose::guard, sizes);
    s.ask(choice.train, Purpose::train, sizes);
    if (choice.scored) s.note_looked_at(choice.frames);
    report.regions = std::move(choice.guard);
    report.regions.insert(report.regions.end(), choice.train.begin(), choice.train.end());
    return report;
  } catch (const std::exception& error) {
    s.labels.withdraw_after(asked_before);  // a part of the choice is none
    rethrow_out_of_memory(error, "choose regions", s.device);
  }
}

std::vector<Region> Engine::propose(const config::Chosen& strategy, const Budget& budget,
                                    std::stop_token stop) {
  return propose(ProposeRequest{.strategy = strategy, .budget = budget, .stop = std::move(stop)}).regions;
}

MergeReport Engine::merge(std::span<const RegionLabel> labels) try {
  Impl& s = *impl_;
  const auto& space = config::label_space(s.options.label_space);
  MergeReport report;
  for (const auto& label : labels) {
    for (int y = 0; y < label.label.rows; ++y)
      for (int x = 0; x < label.label.cols; ++x) {
        const std::uint8_t id = label.label.at<std::uint8_t>(y, x);
        if (id != config::kIgnore && (id >= config::kClasses || space.fold[id] != id))
          throw Error("the label of frame " + label.frame_id + " holds class " + std::to_string(id) +
                      ", which label space '" + std::string(space.name) +
                      "' does not have; is the station set to another label space?");
      }
    if (!s.labels.answer(label)) {
      ++report.unknown_frames;
      continue;
    }
    const std::int64_t pixels = cv::countNonZero(label.label != config::kIgnore);
    (s.labels.purpose_of(label) == Purpose::guard ? report.guard_pixels : report.train_pixels) += pixels;
    ++report.regions;
  }
  return report;
} catch (const std::exception& error) {
  rethrow_out_of_memory(error, "merge labels", impl_->device);
}

JudgeReport Engine::judge() try {
  Impl& s = *impl_;
  const auto promote = [&] {
    s.set_live([&](SegmentationNet& live) { copy_weights(s.trainer.teacher()->net(), live); });
    s.fit_norm(*s.live.placed(), s.options.norm_frames);
    return Verdict::promoted;
  };
  JudgeReport report;
  report.guard_pixels = s.labels.pixels(Purpose::guard);
  if (!s.options.guard.enabled) {
    report.verdict = promote();
    return report;
  }
  if (report.guard_pixels < s.options.guard.min_pixels) return report;
  const auto frames =
      guard_frames(*s.live.placed(), *s.trainer.teacher(), s.pool, s.labels, s.options.guard.max_regions);
  if (frames.empty()) return report;  // all are gone
  const GuardComparison found = compare(frames, s.options.guard);
  report.live_score = found.live;
  report.candidate_score = found.candidate;
  report.standard_error = found.standard_error;
  report.since_best = s.since_best;
  for (const int lost : found.lost)
    report.lost_classes.emplace_back(config::class_names()[static_cast<std::size_t>(lost)]);
  // Rank 0 says for all: the others' devices may round otherwise.
  const bool better = may_go_live(found, s.since_best, s.options.guard);
  if (s.ranks.gather(better ? "1" : "0").front() == "1") {
    s.since_best = std::min(0.0, s.since_best + found.gain());
    report.verdict = promote();
  } else {
    s.trainer.restart_from(s.live.placed()->net(), EmaStart::warm);
    report.verdict = Verdict::rolled_back;
  }
  return report;
} catch (const std::exception& error) {
  rethrow_out_of_memory(error, "judge the candidate", impl_->device);
}

const Model& Engine::live() const {
  return impl_->live;
}
const Model& Engine::candidate() const {
  return impl_->candidate;
}

Model Engine::live_on_target(int norm_frames) const {
  const Impl& s = *impl_;
  return needing_memory("copy the live model", s.device, [&] {
    auto copy = std::make_shared<PlacedNet>(*s.live.placed(), s.device);
    s.fit_norm(*copy, norm_frames);
    return Model(std::move(copy));
  });
}

std::int64_t Engine::step() const {
  return impl_->trainer.steps();
}
LabelTotals Engine::labels() const {
  const auto& totals = impl_->labels.totals();
  return {totals.pixels[0], totals.pixels[1], totals.answered, static_cast<std::int64_t>(totals.asked),
          totals.frames,    totals.clicks,    totals.images,   totals.image_pixels};
}
std::vector<Region> Engine::asked() const {
  std::vector<Region> regions;
  for (const auto& [id, asked] : impl_->labels.asked()) regions.push_back(asked.region);
  return regions;
}
std::optional<Region> Engine::asked(std::uint64_t id) const {
  const auto found = impl_->labels.asked().find(id);
  if (found == impl_->labels.asked().end()) return std::nullopt;
  return found->second.region;
}
std::size_t Engine::retire(const std::function<bool(const std::string&)>& gone,
                           const std::set<std::uint64_t>& keep) {
  return impl_->labels.retire(gone, keep);
}

}  // namespace driftloop::adapt
