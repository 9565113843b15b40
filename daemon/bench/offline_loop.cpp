#include "daemon/bench/offline_loop.h"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <opencv2/core.hpp>

#include "adapt/acquisition/score_map.h"
#include "adapt/data/dataset.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "config/label_space.h"
#include "daemon/bench/arm_jobs.h"
#include "daemon/bench/arm_table.h"
#include "daemon/bench/lesson.h"
#include "daemon/bench/run_words.h"
#include "daemon/options_json.h"
#include "daemon/report/pictures.h"
#include "daemon/round_record.h"
#include "daemon/version.h"
#include "daemon/warm_up.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kStories = 12;  // frames among which the first picture is chosen

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

std::shared_ptr<const adapt::Dataset> open_cached(const std::string& spec, const std::string& split,
                                                  const RunOptions& options) {
  return adapt::cached(adapt::open_dataset(spec, split),
                       static_cast<std::size_t>(options.engine.input.cache_mb) << 20);
}

/// The oracle: ground truth goes round the outside, from the data set to the answer; the engine never sees it
/// otherwise.
class Oracle {
 public:
  Oracle(std::shared_ptr<const adapt::Dataset> truth, const std::string& label_space)
      : truth_(std::move(truth)), fold_(config::label_space(label_space).fold) {
    for (std::size_t i = 0; i < truth_->size(); ++i) index_[truth_->id(i)] = i;
  }
  std::vector<adapt::RegionLabel> answer(const std::vector<adapt::Region>& regions) const {
    std::vector<adapt::RegionLabel> labels;
    for (const auto& region : regions)
      labels.push_back({region.frame_id, region.box_px, map(region.frame_id)(region.box_px).clone()});
    return labels;
  }
  cv::Mat map(const std::string& id) const {
    return config::map_labels(labelled_image(*truth_, index_.at(id)).label, fold_);
  }

 private:
  std::shared_ptr<const adapt::Dataset> truth_;
  const config::TrainIdTable& fold_;
  std::map<std::string, std::size_t> index_;
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
        "crop_height_px, or choose a smaller engine.model; the same command goes on from the last round");
}

/// One of the arms that share a training: what it is judged with, and what it has found.
struct JudgedArm {
  int norm_frames;  // that the engine itself does not take; 0 = none
  fs::path folder;
  Arm found;

  adapt::Model model(const adapt::Engine& engine) const {
    return norm_frames > 0 ? engine.live_on_target(norm_frames) : engine.live();
  }
};

/// One round of a training: ask, merge, train, judge. What the arms score is theirs.
Round run_round(adapt::Engine& engine, const RoundPlan& plan, int number, const Oracle& oracle,
                std::stop_token stop, const StepProgress& progress, const ArmUnits& units) {
  const RoundOptions& asked = *round_at(plan, number);
  std::map<std::string, double> seconds;
  StageClock clock(seconds);
  if (asks(asked)) {
    const auto regions = clock.time(
        "propose", [&] { return engine.propose(asked.strategy, engine.budget(asked.budget), stop); });
    const auto labels = clock.time("label", [&] { return oracle.answer(regions); });
    clock.time("merge", [&] { return engine.merge(labels); });
  }
  const int before = units.before(number) + units.propose(asked);
  const auto trained = clock.time("train", [&] {
    return engine.train(
        {asked.steps, stop, [&](const adapt::TrainProgress& p) { progress(before + p.step, units.total); }});
  });
  require_memory(trained);
  const auto judged = clock.time("judge", [&] { return engine.judge(); });
  Round round = report_round(record_of(number, engine, judged));
  if (trained.bad_steps > 0)
    round.guard_note += " (" + std::to_string(trained.bad_steps) + " steps skipped: loss not finite)";
  if (trained.memory_failures > 0)
    round.guard_note += " (" + std::to_string(trained.memory_failures) + " times no memory: smaller batches)";
  round.seconds = seconds;
  return round;
}

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
                const StepProgress& progress) {
  if (fs::exists(weights)) return;
  const WarmUp plan{warmup_options(options),
                    open_cached(options.source, options.source_split, options),
                    options.source,
                    seed,
                    options.warmup_steps,
                    weights,
                    options.start};
  warm_up(plan, {}, [&](adapt::Engine& engine) {
    const auto report = engine.train(
        {options.warmup_steps, stop, [&](const adapt::TrainProgress& p) { progress(p.step, p.steps); }});
    require_memory(report);
    if (report.stopped)
      throw Error("stopped while training on the source; the same command starts that anew");
    return std::optional(report);
  });
}

bool run_training(const RunOptions& options, std::uint64_t seed, const std::vector<std::string>& arms,
                  const fs::path& out, std::stop_token stop, const StepProgress& progress) {
  const auto source = open_cached(options.source, options.source_split, options);
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
    judged.push_back({norm_frames, arm_folder(out, arm), empty_arm(arm)});
    judged.back().found.weights = "model.safetensors";
    config::make_folder(judged.back().folder);
  }
  adapt::Engine engine(own.engine, source, *pool, seed);

  const ArmUnits units(own.rounds, target->size(), eval->size() * arms.size());
  const fs::path state = judged.front().folder / "state";
  std::size_t done = 0;
  if (engine.load(state)) {
    done = static_cast<std::size_t>(std::stoi(engine.note()));
    for (auto& arm : judged) {
      arm.found.rounds = read_report(arm.folder).arms.at(0).rounds;
      arm.found.rounds.resize(done + 1);
    }
  } else {
    engine.load_weights(out / kSourceWeights);
    for (auto& arm : judged) score_round(engine, *eval, options.evaluation, stop, {}, arm);
    progress(units.evaluate, units.total);
  }
  while (round_at(own.rounds, static_cast<int>(done) + 1) != nullptr) {
    const int number = static_cast<int>(done) + 1;
    const Round round = run_round(engine, own.rounds, number, oracle, stop, progress, units);
    for (auto& arm : judged) score_round(engine, *eval, options.evaluation, stop, round, arm);
    if (stop.stop_requested()) return false;
    progress(units.before(number + 1), units.total);
    for (const auto& arm : judged) write_part(part_of(options, seed, arm.found), arm.folder);
    engine.set_note(std::to_string(number));
    engine.save(state);
    done = static_cast<std::size_t>(number);
  }
  return true;
}

std::vector<adapt::Region> asked_regions(const std::string& arm, const fs::path& folder) {
  auto asked = adapt::asked_in(folder / "state");
  if (!asked) throw Error("no state of the arm '" + arm + "' in " + (folder / "state").string());
  return *std::move(asked);
}

Report report_head(const RunOptions& options, std::uint64_t seed, const std::string& command) {
  Report report;
  report.title = title_in_words(options);
  report.seed = seed;
  report.config = options_json(options);
  report.strategy = own_arm(options);
  report.source = options.source;
  report.target = options.target + (options.target_split.empty() ? "" : " (" + options.target_split + ')');
  report.label_space = options.engine.label_space;
  report.budget = budget_in_words(options);
  report.revision = revision();
  for (const auto& frame :
       adapt::make_dataset_pool(adapt::open_dataset(options.target, options.target_split))->frames())
    report.pool_pixels += frame.size_px.area();
  report.device = adapt::device_text(adapt::runs_on(options.engine));
  report.command = command;
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::tm utc{};
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
  report.created = text;
  return report;
}

std::vector<Picture> make_pictures(const RunOptions& options, const std::string& arm,
                                   const PictureRequest& request) {
  const auto target = open_cached(options.target, options.target_split, options);
  const auto pool = adapt::make_dataset_pool(target);
  const Oracle oracle(target, options.engine.label_space);
  const RunOptions own = arm_options(options, arm);
  const RoundOptions* asked = first_asking(own.rounds);
  const config::Chosen strategy = (asked ? *asked : own.rounds.front()).strategy;
  const auto where = adapt::runs_on(options.engine);
  const auto before = adapt::Model::open(request.before, where),
             after = adapt::Model::open(request.after, where);

  std::map<std::string, std::vector<cv::Rect>> boxes;
  for (const auto& region : request.asked) boxes[region.frame_id].push_back(region.box_px);
  std::vector<std::string> frames;  // spread over those that were asked
  for (const auto& [id, unused] : boxes) frames.push_back(id);
  std::vector<Picture> pictures;
  const std::size_t rows = std::min<std::size_t>(static_cast<std::size_t>(request.rows), frames.size());
  for (std::size_t row = 0; row < rows; ++row) {
    const std::string& id = frames[row * frames.size() / rows];
    const cv::Mat image = pool->image_rgb(id), truth = oracle.map(id);
    cv::Mat labels(image.size(), CV_8UC1, cv::Scalar(config::kIgnore));
    for (const auto& box : boxes[id]) truth(box).copyTo(labels(box));
    const auto old_view = before.view(image), new_view = after.view(image);
    const cv::Mat score = adapt::score_map(before, strategy, own.engine.acquisition.region_px, image);
    const std::size_t regions = boxes[id].size();
    Picture picture{
        "Frame " + id,
        std::to_string(regions) + (regions == 1 ? " region" : " regions") + " of this frame asked for",
        {}};
    picture.panels = {photo("frame", image),
                      photo("prediction before", overlay_classes(image, old_view.label)),
                      photo("prediction after", overlay_classes(image, new_view.label)),
                      photo(score.empty() ? "confidence before" : "score map before",
                            colour_map(score.empty() ? old_view.confidence : score)),
                      photo("regions asked for", overlay_regions(image, boxes[id])),
                      mask("labels that came", overlay_labels(image, labels)),
                      photo("ground truth", overlay_classes(image, truth))};
    pictures.push_back(std::move(picture));
    if (request.progress) request.progress(static_cast<int>(row) + 1, static_cast<int>(rows));
  }
  std::vector<FrameStory> stories;
  const std::size_t looked_at = std::min(kStories, frames.size());
  for (std::size_t i = 0; i < looked_at; ++i) {
    const std::string& id = frames[i * frames.size() / looked_at];
    const cv::Mat image = pool->image_rgb(id);
    stories.push_back({id, image, before.label(image), after.label(image), oracle.map(id), boxes[id]});
  }
  if (const auto lesson = find_lesson(stories))
    pictures.insert(pictures.begin(), lesson_picture(stories[lesson->frame], *lesson, stories.size()));
  return pictures;
}

}  // namespace driftloop::daemon
