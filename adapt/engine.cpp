#include "adapt/engine.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "adapt/acquisition/strategy.h"
#include "adapt/data/augment.h"
#include "adapt/eval/evaluate.h"
#include "adapt/pool_view.h"
#include "adapt/train/batches.h"
#include "adapt/train/checkpoint.h"
#include "adapt/train/target_labels.h"
#include "adapt/train/trainer.h"
#include "config/check.h"
#include "config/label_space.h"
#include "config/layers.h"

namespace driftloop::adapt {
namespace {

// Uses of randomness, for mixed_seed.
constexpr std::uint64_t kInit = 1, kDropout = 2, kBatch = 3, kSelect = 4, kGuard = 5;

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

  EngineOptions options;
  torch::Device device;
  std::shared_ptr<const Dataset> source;
  FramePool& pool;
  std::uint64_t seed;
  Trainer trainer;
  std::shared_ptr<SegmentationNet> live;
  TargetLabels labels;
  std::string note;
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
  for (const auto& frame : impl_->pool.frames()) pixels += static_cast<std::int64_t>(frame.size_px.area());
  return round_budget(impl_->options.acquisition, pixels);
}

std::vector<Region> Engine::propose(const Budget& budget, std::stop_token stop) {
  Impl& s = *impl_;
  EnginePoolView view(s.options, s.device, s.trainer.teacher(), s.pool, s.labels);
  std::map<std::string, cv::Size> sizes;
  for (std::size_t i = 0; i < view.size(); ++i) sizes[view.frame_id(i)] = view.frame_size(i);
  const std::uint64_t round_seed = mixed_seed(s.seed, s.labels.asked().size(), kSelect);

  std::vector<Region> asked;
  Budget left = budget;
  const auto select = [&](const char* strategy, Budget part, std::uint64_t use, Purpose purpose) {
    SelectRequest request{s.options.acquisition, part, mixed_seed(round_seed, 0, use), stop};
    request.options.strategy = strategy;
    Selection selection = make_strategy(strategy)->select(view, request);
    view.drop_vanished(selection.regions);
    s.ask(selection.regions, purpose, sizes);
    for (const auto& region : selection.regions) left.pixels -= region.box_px.area();
    if (left.regions > 0)
      left.regions =
          std::max<std::int64_t>(1, left.regions - static_cast<std::int64_t>(selection.regions.size()));
    asked.insert(asked.end(), selection.regions.begin(), selection.regions.end());
    return !selection.stopped;
  };
  // The guard set must look like the road, not like the strategy's taste: its share is random.
  Budget guard = budget;
  guard.pixels = static_cast<std::int64_t>(static_cast<double>(budget.pixels) * s.options.guard.share);
  guard.regions =
      static_cast<std::int64_t>(std::ceil(static_cast<double>(budget.regions) * s.options.guard.share));
  if (s.options.guard.enabled && guard.pixels > 0 && !select("random", guard, kGuard, Purpose::guard))
    return {};
  if (left.pixels > 0) select(s.options.acquisition.strategy.c_str(), left, kSelect, Purpose::train);
  return asked;
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

int visible_gpus() {
  return torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
}

std::string learner_text() {
  const int gpus = visible_gpus();
  return std::string("LibTorch ") + TORCH_VERSION +
         (at::Context::hasCUDART() ? ", with CUDA, " : ", for the CPU alone, ") +
         (gpus == 1 ? "1 GPU" : std::to_string(gpus) + " GPUs");
}

}  // namespace driftloop::adapt
