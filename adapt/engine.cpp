#include "adapt/engine.h"

#include <cmath>
#include <set>

#include "adapt/acquisition/strategy.h"
#include "adapt/data/augment.h"
#include "adapt/engine_impl.h"
#include "adapt/eval/evaluate.h"
#include "adapt/train/out_of_memory.h"
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

}  // namespace

Engine::Impl::Impl(const EngineOptions& o, std::shared_ptr<const Dataset> source_data, FramePool& frame_pool,
                   std::uint64_t run_seed)
    : options(o),
      device(resolve_device(o.device)),
      source(std::move(source_data)),
      pool(frame_pool),
      seed(run_seed),
      trainer(o, device, config::kClasses, mixed_seed(run_seed, 0, kInit)),
      live(clone_net(o, trainer.teacher(), device)),
      batch_share(o) {}

void Engine::Impl::ask(std::vector<Region>& regions, Purpose purpose,
                       const std::map<std::string, cv::Size>& sizes) {
  for (auto& region : regions) region.id = labels.ask(region, purpose, sizes.at(region.frame_id));
}

RoundParts Engine::Impl::round() {
  return {options,
          device,
          trainer.teacher(),
          pool,
          labels,
          looked_at,
          mixed_seed(seed, labels.totals().asked, kRound)};
}

std::string Engine::Impl::round_key() {
  return config::sha256_hex(std::to_string(round().seed) + ' ' + weights_digest(trainer.teacher()) + ' ' +
                            std::to_string(options.input.work_long_side_px) + '\n' +
                            config::to_yaml(options.acquisition) + config::to_yaml(options.guard));
}

void Engine::Impl::note_looked_at(const std::vector<PoolFrame>& frames) {
  if (options.acquisition.max_frames == 0) return;
  for (const auto& frame : frames) looked_at.insert(frame.id);
  std::set<std::string> there;
  for (const auto& frame : pool.frames()) there.insert(frame.id);
  std::erase_if(looked_at, [&](const std::string& id) { return !there.contains(id); });
}

bool Engine::Impl::with_memory(const std::function<void()>& work) {
  try {
    work();
    return true;
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error)) throw;
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
               std::uint64_t seed) {
  if (options.threads > 0) torch::set_num_threads(options.threads);
  impl_ = needing_memory("build the nets", torch::kCPU,
                         [&] { return std::make_unique<Impl>(options, std::move(source), pool, seed); });
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
  int refused_in_a_row = 0;
  while (s.trainer.steps() < until) {
    if (request.stop.stop_requested()) {
      report.stopped = true;
      break;
    }
    std::optional<StepLosses> losses;
    const bool had_memory = s.with_memory([&] {
      if (!batches)
        batches.emplace(s.options, s.source.get(), s.pool, s.labels,
                        self_train ? Unlabelled::drawn : Unlabelled::none);
      const auto step = static_cast<std::uint64_t>(s.trainer.steps());
      torch::manual_seed(mixed_seed(s.seed, step, kDropout));
      std::mt19937_64 random(mixed_seed(s.seed, step, kBatch));
      const auto batch = batches->draw(random, s.batch_share.value());
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
      report.out_of_memory = !s.with_memory([&] { s.trainer.restart_from(*s.live); });
      report.gave_up = true;
      break;
    }
    ++report.steps;
    report.source_loss += losses->source;
    report.target_loss += losses->target;
    report.consistency_loss += losses->consistency;
    if (request.progress && !s.with_memory([&] {
          request.progress({report.steps, request.steps, losses->total()});
        }))
      ++report.memory_failures;
  }
  for (double* mean : {&report.source_loss, &report.target_loss, &report.consistency_loss})
    *mean /= std::max(1, report.steps);
  report.batch_share = s.batch_share.value();
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
  const std::uint64_t asked_before = s.labels.totals().asked;
  try {
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
  } catch (const std::exception& error) {
    s.labels.withdraw_after(asked_before);  // a part of the choice is none
    rethrow_out_of_memory(error, "choose regions", s.device);
  }
}

std::vector<Region> Engine::propose(const Budget& budget, std::stop_token stop) {
  return propose(ProposeRequest{.budget = budget, .stop = std::move(stop)}).regions;
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
    s.set_live([&] { copy_weights(s.trainer.teacher(), *s.live); });
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
} catch (const std::exception& error) {
  rethrow_out_of_memory(error, "judge the candidate", impl_->device);
}

Evaluation Engine::evaluate(const Dataset& dataset, Role role, std::stop_token stop) const {
  Impl& s = *impl_;
  return needing_memory("evaluate", s.device, [&] {
    const auto confusion = confusion_over(s.net(role), s.options, s.device, dataset, stop);
    return summarise(confusion, s.options, static_cast<std::int64_t>(dataset.size()));
  });
}

FrameView Engine::view(const cv::Mat& image_rgb, Role role) const try {
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
} catch (const std::exception& error) {
  rethrow_out_of_memory(error, "look at a frame", impl_->device);
}

std::vector<float> Engine::describe(const cv::Mat& image_rgb) const {
  Impl& s = *impl_;
  return needing_memory("describe a frame", s.device, [&] {
    const auto feature = frame_feature(*s.live, s.options, s.device, image_rgb);
    const auto* value = feature.const_data_ptr<float>();
    return std::vector<float>(value, value + feature.numel());
  });
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
  const auto& totals = impl_->labels.totals();
  return {totals.pixels[0], totals.pixels[1], totals.answered, static_cast<std::int64_t>(totals.asked),
          totals.frames};
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
std::string device_text(const EngineOptions& options) {
  const auto device =
      needing_memory("find the device", torch::kCPU, [&] { return resolve_device(options.device); });
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
