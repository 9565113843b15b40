#include "daemon/bench/offline_loop.h"

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <optional>

#include "adapt/data/dataset.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/bench/arm_jobs.h"
#include "daemon/bench/oracle.h"
#include "daemon/bench/run_report.h"
#include "daemon/bench/training_place.h"
#include "daemon/round_record.h"
#include "daemon/warm_up.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;

/// Wall time of the stages of a round.
class StageClock {
 public:
  explicit StageClock(std::map<std::string, double>& seconds) : seconds_(seconds) {}
  template <class Work>
  auto time(const char* stage, const Work& work) {
    const auto start = Clock::now();
    auto result = work();
    seconds_[stage] += std::chrono::duration<double>(Clock::now() - start).count();
    return result;
  }

 private:
  std::map<std::string, double>& seconds_;
};

/// What an arm's parts count in its progress, in training steps.
struct ArmUnits {
  /// `eval_images`: of one scoring, of all arms together.
  ArmUnits(const RoundPlan& rounds, std::size_t pool_frames, std::size_t eval_images)
      : plan(rounds),
        look(static_cast<int>(pool_frames) / kImagesPerStep),
        evaluate(static_cast<int>(eval_images) / kImagesPerStep),
        total(before(static_cast<int>(rounds_of(plan).value()) + 1)) {}
  int propose(const RoundOptions& round) const { return asks(round) ? look : 0; }
  /// Done when round `number` begins.
  int before(int number) const {
    int units = evaluate;
    for (int i = 1; i < number; ++i) {
      const RoundOptions& round = *round_at(plan, i);
      units += propose(round) + round.steps + evaluate;
    }
    return units;
  }

  const RoundPlan& plan;
  int look, evaluate, total;
};

/// A benchmark does not wait for memory: its rounds would no longer be comparable.
void require_memory(const adapt::TrainReport& report) {
  if (report.out_of_memory)
    throw adapt::OutOfMemory(
        "not enough memory for a training step of even one image: lower engine.input.crop_width_px and "
        "crop_height_px, or choose a smaller engine.model; the same command goes on where this one stopped");
}

/// Stops a training when `outer` does, or after some time.
class SliceStop {
 public:
  SliceStop(const std::stop_token& outer, double seconds)
      : end_(Clock::now() +
             std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds))),
        follow_(outer, [this] { source_.request_stop(); }) {}
  std::stop_token token() const { return source_.get_token(); }
  void look_at_clock() {
    if (Clock::now() >= end_) source_.request_stop();
  }

 private:
  Clock::time_point end_;
  std::stop_source source_;
  std::stop_callback<std::function<void()>> follow_;
};

/// One of the arms that share a training: what it is judged with, and what it has found.
struct JudgedArm {
  int norm_frames;  // that the engine itself does not take; 0 = none
  fs::path folder;
  Arm found;

  adapt::Model model(const adapt::Engine& engine) const {
    return norm_frames > 0 ? engine.live_on_target(norm_frames) : engine.live();
  }
};

/// `round` with the scores of what the arm would publish now, which is written into its folder.
void score_round(const adapt::Engine& engine, const adapt::Dataset& eval, const adapt::EvalOptions& options,
                 std::stop_token stop, Round round, JudgedArm& arm) {
  StageClock clock(round.seconds);
  const adapt::Model model = arm.model(engine);
  fill_scores(clock.time("evaluate", [&] { return model.evaluate(eval, options, stop); }), round);
  if (stop.stop_requested()) return;
  model.save(arm.folder / arm.found.weights);
  arm.found.rounds.push_back(std::move(round));
}

enum class Extent { all, memory };  // memory: what was asked and answered, without the nets

/// The rounds of one training, with all that makes them go on where they were stopped or killed.
struct Training {
  adapt::Engine& engine;
  const RoundPlan& plan;
  const Oracle& oracle;
  TrainingPlace& place;
  double save_seconds;
  fs::path scratch;  // of a look through the pool
  const StepProgress& progress;
  const ArmUnits& units;
  std::stop_token stop;
  fs::path state;
  const adapt::Ranks& ranks;

  /// The round under way, from where it is to its end: ask, merge, train, judge. None at a stop. What the
  /// arms score is theirs.
  std::optional<Round> run_round();
  void save(Extent extent);
  void begin_round(int number);

  adapt::BudgetOptions budget_now(const RoundOptions& asked) const;
  bool ask(const RoundOptions& asked);
  bool train(int steps, int units_before);
};

void Training::save(Extent extent) {
  engine.set_note(encode_training_place(place));
  if (ranks.rank() > 0) return;
  extent == Extent::all ? engine.save(state) : engine.save_memory(state);
}

void Training::begin_round(int number) {
  place = TrainingPlace();
  place.round = number;
  place.first_step = engine.step();
  save(Extent::all);
}

/// What the answers of earlier rounds took more clicks than was expected, or less, this one makes up for.
adapt::BudgetOptions Training::budget_now(const RoundOptions& asked) const {
  adapt::BudgetOptions budget = asked.budget;
  if (!budget.clicks) return budget;
  std::int64_t until_now = 0;
  for (int round = 1; round <= place.round; ++round)
    until_now += round_at(plan, round)->budget.clicks.value_or(0);
  budget.clicks = std::max<std::int64_t>(0, until_now - engine.labels().clicks);
  return budget;
}

/// False at a stop.
bool Training::ask(const RoundOptions& asked) {
  StageClock clock(place.seconds);
  const auto proposed = clock.time("propose", [&] {
    adapt::ProposeRequest request{.strategy = asked.strategy,
                                  .budget = engine.budget(budget_now(asked), asked.strategy)};
    request.stop = stop;
    request.scratch = scratch;
    return engine.propose(request);
  });
  if (proposed.stopped) return false;
  const auto labels = clock.time("label", [&] { return oracle.answer(proposed.regions); });
  clock.time("merge", [&] { return engine.merge(labels); });
  return true;
}

/// False at a stop.
bool Training::train(int steps, int units_before) {
  StageClock clock(place.seconds);
  for (;;) {
    const auto done = static_cast<int>(engine.step() - place.first_step);
    if (done >= steps) return true;
    SliceStop slice(stop, save_seconds);
    const auto report = clock.time("train", [&] {
      return engine.train({steps - done, slice.token(), [&](const adapt::TrainProgress& p) {
                             progress(units_before + done + p.step, units.total);
                             slice.look_at_clock();
                           }});
    });
    require_memory(report);
    place.bad_steps += report.bad_steps;
    place.memory_failures += report.memory_failures;
    place.good_steps += report.steps;
    for (const auto& [term, mean] : report.losses) place.loss_sums[term] += mean * report.steps;
    if (report.stopped) save(Extent::all);
    if (ranks.any(stop.stop_requested())) return false;
    if (!report.stopped) return true;
  }
}

std::optional<Round> Training::run_round() {
  const RoundOptions& asked = *round_at(plan, place.round);
  if (!place.asked && asks(asked)) {
    if (!ask(asked)) return std::nullopt;
    place.asked = true;
    save(Extent::memory);
  }
  if (!train(asked.steps, units.before(place.round) + units.propose(asked))) return std::nullopt;
  StageClock clock(place.seconds);
  const auto judged = clock.time("judge", [&] { return engine.judge(); });
  Round round = report_round(record_of(place.round, engine, judged));
  if (place.bad_steps > 0)
    round.guard_note += " (" + std::to_string(place.bad_steps) + " steps skipped: loss not finite)";
  if (place.memory_failures > 0)
    round.guard_note += " (" + std::to_string(place.memory_failures) + " times no memory: smaller batches)";
  round.seconds = place.seconds;
  for (const auto& [term, sum] : place.loss_sums)
    round.losses[term] = sum / static_cast<double>(std::max<std::int64_t>(1, place.good_steps));
  return round;
}

Report part_of(const RunOptions& options, std::uint64_t seed, const Arm& arm) {
  Report part = report_head(options, seed, "");
  part.arms = {arm};
  return part;
}

}  // namespace

void fill_scores(const adapt::Evaluation& evaluation, Round& round) {
  round.miou = evaluation.miou;
  for (const auto& [name, miou] : evaluation.space_miou) round.space_miou[name] = miou;
  round.boundary_miou = evaluation.boundary_miou;
  round.calibration_error = evaluation.calibration_error;
  for (const auto& [name, iou] : evaluation.class_iou) round.per_class_iou[name] = iou;
  if (evaluation.images > 0)
    round.frame_ms = 1e3 * evaluation.seconds / static_cast<double>(evaluation.images);
}

void run_warmup(const RunOptions& options, std::uint64_t seed, const fs::path& weights, std::stop_token stop,
                const StepProgress& progress, const adapt::Ranks& ranks) {
  if (fs::exists(weights)) return;
  const WarmUp plan{warmup_options(options), open_source(options),
                    options.source,          seed,
                    options.warmup_steps,    weights,
                    options.start,           &ranks};
  const fs::path state = weights.string() + ".state";
  const bool finished = warm_up(
      plan, [&](adapt::Engine& engine) { engine.load(state); },
      [&](adapt::Engine& engine) -> std::optional<adapt::TrainReport> {
        const auto begun = static_cast<int>(engine.step());
        SliceStop slice(stop, options.save_seconds);
        const auto report =
            engine.train({options.warmup_steps - begun, slice.token(), [&](const adapt::TrainProgress& p) {
                            progress(begun + p.step, options.warmup_steps);
                            slice.look_at_clock();
                          }});
        require_memory(report);
        if (report.stopped && ranks.rank() == 0) engine.save(state);
        if (ranks.any(stop.stop_requested())) return std::nullopt;
        return report;
      });
  if (!finished) throw Error("stopped while training on the source; the same command goes on from there");
  if (ranks.rank() == 0) fs::remove_all(state);
}

bool run_training(const RunOptions& options, std::uint64_t seed, const std::vector<std::string>& arms,
                  const fs::path& out, std::stop_token stop, const StepProgress& progress,
                  const adapt::Ranks& ranks) {
  const auto source = open_source(options);
  const auto target = open_cached(options.target, options.target_split, options);
  const auto eval = open_cached(options.eval, options.eval_split, options);
  const auto pool = adapt::make_dataset_pool(target);
  const Oracle oracle(target, options.engine.label_space);
  RunOptions own = arm_options(options, arms.front());
  const bool guarded = own.engine.guard.enabled;  // then the engine itself looks at the fitted model
  if (!guarded) own.engine.norm_frames = 0;
  std::vector<JudgedArm> judged;
  for (const auto& arm : arms) {
    const int norm_frames = guarded ? 0 : arm_options(options, arm).engine.norm_frames;
    judged.push_back({norm_frames, arm_folder(out, arm), empty_arm(options, arm)});
    judged.back().found.weights = "model.safetensors";
    config::make_folder(judged.back().folder);
  }
  adapt::Engine engine(own.engine, source, *pool, seed, ranks);
  const ArmUnits units(own.rounds, target->size(), eval->size() * arms.size());
  const fs::path state = judged.front().folder / "state";
  const bool first = ranks.rank() == 0;
  TrainingPlace place;
  Training training{engine,
                    own.rounds,
                    oracle,
                    place,
                    options.save_seconds,
                    judged.front().folder / (first ? "scan" : "scan_" + std::to_string(ranks.rank())),
                    progress,
                    units,
                    stop,
                    state,
                    ranks};
  /// Scored and written down; false at a stop.
  const auto score = [&](const Round& round) {
    if (first)
      for (auto& arm : judged) score_round(engine, *eval, options.evaluation, stop, round, arm);
    if (ranks.any(stop.stop_requested())) return false;
    if (first)
      for (const auto& arm : judged) write_part(part_of(options, seed, arm.found), arm.folder);
    return true;
  };
  const bool goes_on = static_cast<bool>(engine.load(state));
  ranks.gather("");  // nobody writes before all have looked
  if (goes_on) {
    place = decode_training_place(engine.note());
    for (auto& arm : judged) {
      arm.found.rounds = read_report(arm.folder).arms.at(0).rounds;
      arm.found.rounds.resize(static_cast<std::size_t>(place.round));
    }
  } else {
    engine.load_weights(out / kSourceWeights);
    if (!score({})) return false;
    training.begin_round(1);
    progress(units.evaluate, units.total);
  }
  while (round_at(own.rounds, place.round) != nullptr) {
    const auto round = training.run_round();
    if (!round || !score(*round)) return false;
    training.begin_round(place.round + 1);
    progress(units.before(place.round), units.total);
  }
  return true;
}

}  // namespace driftloop::daemon
