#include "adapt/engine.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "adapt/acquisition/strategy.h"
#include "adapt/data/augment.h"
#include "adapt/eval/evaluate.h"
#include "adapt/round.h"
#include "adapt/train/batches.h"
#include "adapt/train/checkpoint.h"
#include "adapt/train/target_labels.h"
#include "adapt/train/trainer.h"
#include "config/check.h"
#include "config/digest.h"
#include "config/label_space.h"
#include "config/layers.h"

namespace driftloop::adapt {
namespace {

// Uses of randomness, for mixed_seed.
constexpr std::uint64_t kInit = 1, kDropout = 2, kBatch = 3, kRound = 4;

std::shared_ptr<SegmentationNet> clone_net(const EngineOptions& options, const SegmentationNet& net,
                                           torch::Device device) {
  auto copy = make_net(options.model, config::kClasses);
  copy->to(device);
  copy_weights(net, *copy);
  copy->eval();
  return copy;
}

/// Metadata of a weights file: enough to rebuild the net without a configuration.
std::string model_text(const EngineOptions& options) {
  return config::to_yaml(options.model);
}

}  // namespace

struct Engine::Impl {
  Impl(const EngineOptions& o, std::shared_ptr<const Dataset> source_data, FramePool& frame_pool,
       std::uint64_t run_seed)
      : options(o),
        device(resolve_device(o.device)),
        source(std::move(source_data)),
        pool(frame_pool),
        seed(run_seed),
        trainer(o, device, config::kClasses, mixed_seed(run_seed, 0, kInit)),
        live(clone_net(o, trainer.teacher(), device)) {}

  SegmentationNet& net(Role role) { return role == Role::live ? *live : trainer.teacher(); }
  void ask(const std::vector<Region>& regions, Purpose purpose,
           const std::map<std::string, cv::Size>& sizes) {
    for (const auto& region : regions) labels.ask(region, purpose, sizes.at(region.frame_id));
  }

  RoundParts round() {
    return {options,
            device,
            trainer.teacher(),
            pool,
            labels,
            looked_at,
            mixed_seed(seed, labels.asked().size(), kRound)};
  }
  /// Everything that a scan depends on beside its frame.
  std::string round_key() {
    return config::sha256_hex(std::to_string(round().seed) + ' ' + weights_digest(trainer.teacher()) + ' ' +
                              std::to_string(options.input.work_long_side_px) + '\n' +
                              config::to_yaml(options.acquisition) + config::to_yaml(options.guard));
  }
  /// Kept for the frames that are still there, and only where a round does not look at all of them.
  void note_looked_at(const std::vector<PoolFrame>& frames) {
    if (options.acquisition.max_frames == 0) return;
    for (const auto& frame : frames) looked_at.insert(frame.id);
    std::set<std::string> there;
    for (const auto& frame : pool.frames()) there.insert(frame.id);
    std::erase_if(looked_at, [&](const std::string& id) { return !there.contains(id); });
  }

  EngineOptions options;
  torch::Device device;
  std::shared_ptr<const Dataset> source;
  FramePool& pool;
  std::uint64_t seed;
  Trainer trainer;
  std::shared_ptr<SegmentationNet> live;
  TargetLabels labels;
  std::set<std::string> looked_at;  // frames that a round has scored
  std::string note;
  std::string live_digest;  // "" = to be computed: whoever changes `live` clears it
};

Engine::Engine(const EngineOptions& options, std::shared_ptr<const Dataset> source, FramePool& pool,
               std::uint64_t seed) {
  if (options.threads > 0) torch::set_num_threads(options.threads);
  impl_ = std::make_unique<Impl>(options, std::move(source), pool, seed);
}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;

TrainReport Engine::train(const TrainRequest& request) {
  Impl& s = *impl_;
  const bool self_train = s.options.selftrain.weight > 0 &&
                          (s.options.selftrain.before_labels || s.labels.pixels(Purpose::train) > 0);
  Batches batches(s.options, s.source.get(), s.pool, s.labels,
                  self_train ? Unlabelled::drawn : Unlabelled::none);
  TrainReport report;
  while (report.steps + report.bad_steps < request.steps) {
    if (request.stop.stop_requested()) {
      report.stopped = true;
      break;
    }
    const auto step = static_cast<std::uint64_t>(s.trainer.steps());
    torch::manual_seed(mixed_seed(s.seed, step, kDropout));
    std::mt19937_64 random(mixed_seed(s.seed, step, kBatch));
    const auto batch = batches.draw(random);
    if (!batch) break;  // nothing to learn from yet
    const StepLosses losses = s.trainer.step(*batch, random);
    if (!losses.finite) {
      if (++report.bad_steps <= s.options.train.max_bad_steps) continue;
      s.trainer.restart_from(*s.live);
      report.gave_up = true;
      break;
    }
    ++report.steps;
    report.source_loss += losses.source;
    report.target_loss += losses.target;
    report.consistency_loss += losses.consistency;
    if (request.progress) request.progress({report.steps, request.steps, losses.total()});
  }
  for (double* mean : {&report.source_loss, &report.target_loss, &report.consistency_loss})
    *mean /= std::max(1, report.steps);
  return report;
}

Budget Engine::budget() const {
  std::int64_t pixels = 0;
  for (const auto& frame : round_frames(impl_->round()))
    pixels += static_cast<std::int64_t>(frame.size_px.width) * frame.size_px.height;
  return round_budget(impl_->options.acquisition, pixels);
}

ProposeReport Engine::propose(const ProposeRequest& request) {
  Impl& s = *impl_;
  const std::string key = request.scratch.empty() ? "" : s.round_key();
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
}

std::vector<Region> Engine::propose(const Budget& budget, std::stop_token stop) {
  return propose(ProposeRequest{.budget = budget, .stop = std::move(stop)}).regions;
}

MergeReport Engine::merge(std::span<const RegionLabel> labels) {
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
}

JudgeReport Engine::judge() {
  Impl& s = *impl_;
  const auto promote = [&] {
    copy_weights(s.trainer.teacher(), *s.live);
    s.live_digest.clear();
    return Verdict::promoted;
  };
  JudgeReport report;
  report.guard_pixels = s.labels.pixels(Purpose::guard);
  if (!s.options.guard.enabled) {
    report.verdict = promote();
    return report;
  }
  if (report.guard_pixels < s.options.guard.min_pixels) return report;
  const GuardScores scores =
      guard_scores(*s.live, s.trainer.teacher(), s.options, s.device, s.pool, s.labels);
  const auto count = static_cast<double>(scores.live.size());
  if (count == 0) return report;  // every guard frame is gone
  double sum = 0, squares = 0;
  for (std::size_t i = 0; i < scores.live.size(); ++i) {
    const double gain = scores.candidate[i] - scores.live[i];
    sum += gain;
    squares += gain * gain;
    report.live_score += scores.live[i] / count;
    report.candidate_score += scores.candidate[i] / count;
  }
  // The same regions under both nets: the standard error of their differences says what chance alone would
  // do.
  report.standard_error = std::sqrt(std::max(0.0, squares / count - (sum / count) * (sum / count)) / count);
  if (sum / count + report.standard_error >= -s.options.guard.tolerance) {
    report.verdict = promote();
  } else {
    s.trainer.restart_from(*s.live);
    report.verdict = Verdict::rolled_back;
  }
  return report;
}

Evaluation Engine::evaluate(const Dataset& dataset, Role role, std::stop_token stop) const {
  Impl& s = *impl_;
  const auto confusion = confusion_over(s.net(role), s.options, s.device, dataset, stop);
  return summarise(confusion, s.options, static_cast<std::int64_t>(dataset.size()));
}

FrameView Engine::view(const cv::Mat& image_rgb, Role role) const {
  Impl& s = *impl_;
  const Prediction prediction = predict(s.net(role), s.options, s.device, image_rgb, Want::probabilities);
  FrameView view;
  view.label = predict_label(s.net(role), s.options, s.device, image_rgb);
  const auto to_mat = [&](const torch::Tensor& map) {
    const auto dense = map.to(torch::kFloat32).cpu().contiguous();
    return cv::Mat(image_rgb.size(), CV_32FC1, dense.data_ptr()).clone();
  };
  view.confidence = to_mat(std::get<0>(prediction.prob_chw.max(0)));
  if (const auto score =
          make_strategy(s.options.acquisition.strategy)->score_map(prediction, s.options.acquisition))
    view.score = to_mat(*score);
  return view;
}

std::vector<float> Engine::describe(const cv::Mat& image_rgb) const {
  Impl& s = *impl_;
  const auto feature = frame_feature(*s.live, s.options, s.device, image_rgb);
  const auto* value = feature.const_data_ptr<float>();
  return {value, value + feature.numel()};
}

std::string Engine::feature_space() const {
  Impl& s = *impl_;
  if (s.live_digest.empty()) s.live_digest = weights_digest(*s.live);
  return config::sha256_hex(s.live_digest + std::to_string(s.options.input.work_long_side_px)).substr(0, 16);
}

std::int64_t Engine::step() const {
  return impl_->trainer.steps();
}
LabelTotals Engine::labels() const {
  const auto& labels = impl_->labels;
  return {labels.pixels(Purpose::train), labels.pixels(Purpose::guard), labels.answered_regions()};
}
std::vector<Region> Engine::asked() const {
  std::vector<Region> regions;
  for (const auto& asked : impl_->labels.asked()) regions.push_back(asked.region);
  return regions;
}
void Engine::set_note(std::string note) {
  impl_->note = std::move(note);
}
const std::string& Engine::note() const {
  return impl_->note;
}

void Engine::save(const std::filesystem::path& folder) const {
  const Impl& s = *impl_;
  TensorFile file;
  s.trainer.save(file);
  put_net(*s.live, "live.", file);
  s.labels.save(file);
  file.metadata["model"] = model_text(s.options);
  file.metadata["label_space"] = s.options.label_space;
  file.metadata["seed"] = std::to_string(s.seed);
  file.metadata["note"] = s.note;
  file.metadata["looked_at"] = nlohmann::json(s.looked_at).dump();
  save_slot(folder, std::move(file));
}

bool Engine::load(const std::filesystem::path& folder) {
  Impl& s = *impl_;
  const auto file = load_newest_slot(folder);
  if (!file) return false;
  const auto require = [&](const char* key, const std::string& wanted) {
    if (file->metadata.at(key) != wanted)
      throw Error("the state in " + folder.string() + " was made with another " + key + " (" +
                  file->metadata.at(key) + "), this run has " + wanted +
                  "; give another state folder or the old settings");
  };
  require("model", model_text(s.options));
  require("label_space", s.options.label_space);
  require("seed", std::to_string(s.seed));
  s.trainer.load(*file, folder);
  get_net(*file, "live.", folder, *s.live);
  s.labels.load(*file);
  s.note = file->metadata.at("note");
  s.looked_at.clear();
  if (const auto looked = file->metadata.find("looked_at"); looked != file->metadata.end())
    s.looked_at = nlohmann::json::parse(looked->second).get<std::set<std::string>>();
  s.live_digest.clear();
  return true;
}

void Engine::save_weights(const std::filesystem::path& file) const {
  TensorFile content;
  put_net(*impl_->live, "", content);
  content.metadata["model"] = model_text(impl_->options);
  content.metadata["label_space"] = impl_->options.label_space;
  content.metadata["work_long_side_px"] = std::to_string(impl_->options.input.work_long_side_px);
  write_safetensors(file, content);
}

void Engine::load_weights(const std::filesystem::path& file) {
  impl_->live_digest.clear();
  get_net(read_safetensors(file), "", file, *impl_->live);
  impl_->trainer.restart_from(*impl_->live);
}

EngineOptions options_of_weights(const std::filesystem::path& file) {
  const TensorFile content = read_safetensors(file);
  if (!content.metadata.contains("model") || !content.metadata.contains("work_long_side_px"))
    throw Error(
        file.string() +
        " does not say which net it is of (no 'model' in its metadata); was it written by driftloop?");
  EngineOptions options;
  config::apply_text(content.metadata.at("model"), file.string(), options.model);
  options.input.work_long_side_px = std::stoi(content.metadata.at("work_long_side_px"));
  return options;
}

std::string device_text(const EngineOptions& options) {
  const auto device = resolve_device(options.device);
  if (!device.is_cpu()) return device.str();
  return "cpu, " + std::to_string(options.threads > 0 ? options.threads : torch::get_num_threads()) +
         " threads";
}

}  // namespace driftloop::adapt
