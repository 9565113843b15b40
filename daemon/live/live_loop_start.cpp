// The loop before its first round: a saved state, start weights, or a first model of its own; and how the
// live model is published.
#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>

#include "adapt/data/dataset.h"
#include "config/check.h"
#include "daemon/live/live_loop.h"
#include "daemon/live/manifest.h"
#include "daemon/live/start_weights.h"
#include "daemon/round_record.h"
#include "daemon/warm_up.h"

namespace driftloop::daemon {
namespace {

constexpr std::chrono::seconds kHookPatience{60};

/// Of the stored frames, and of the replay where there is one: half for each.
std::size_t cache_bytes(const DaemonOptions& options) {
  const auto all = static_cast<std::size_t>(options.engine.input.cache_mb) << 20;
  return options.loop.replay.empty() ? all : all / 2;
}

std::shared_ptr<const adapt::Dataset> open_replay(const DaemonOptions& options) {
  if (options.loop.replay.empty()) return nullptr;
  return adapt::cached(adapt::open_dataset(options.loop.replay, ""), cache_bytes(options));
}

}  // namespace

LiveLoop::LiveLoop(const LiveParts& parts, std::stop_token stop)
    : parts_(parts),
      stop_(std::move(stop)),
      store_pool_(parts.store, [&health = parts.health] { health.progress(Owner::adapt); }),
      pool_(store_pool_, cache_bytes(parts.options)),
      engine_(parts.options.engine, open_replay(parts.options), pool_,
              static_cast<std::uint64_t>(parts.options.seed)),
      desk_(desk_parts(), place_),
      publication_(parts.state.path()) {
  const LoopOptions& loop = parts_.options.loop;
  shown_.device = adapt::device_text(adapt::runs_on(parts_.options.engine));
  const bool published = publication_.round().has_value();
  const auto loaded =
      engine_.load(parts_.state.model(), published ? publication_.weights() : std::filesystem::path());
  has_model_ = loaded.found;
  if (loaded.spare_live)
    spdlog::error("the live model in {} cannot be read: the published one in {} takes its place",
                  parts_.state.model().string(), publication_.folder().string());
  if (has_model_) {
    place_ = decode_place(engine_.note());
    budget_ = AskBudget(place_.ask_fund);
    parts_.status.at_least(place_.bytes_sent, place_.bytes_received);
    if (!place_.last_record.empty()) shown_.last_verdict = decode_record(place_.last_record).verdict;
    if (const auto notice = look_at_start_weights(parts_.state.path(), loop.weights, Began::earlier);
        !notice.empty())
      spdlog::warn("{}", notice);
    spdlog::info("resumed in round {} at step {} on {}", place_.round, engine_.step(), shown_.device);
  } else if (published || !loop.weights.empty()) {
    // Published, but no state that can be read: both slots are damaged.
    const std::string weights = published ? publication_.weights().string() : loop.weights;
    engine_.load_weights(weights);
    take_up_memory();
    if (const auto notice = look_at_start_weights(parts_.state.path(), loop.weights, Began::now);
        !notice.empty())
      spdlog::warn("{}", notice);
    save(Extent::all);
    has_model_ = true;
    spdlog::info("started from {} on {}", weights, shown_.device);
  } else if (loop.replay.empty() || loop.warmup_steps == 0) {
    throw Error(
        "there is no model to start from: set loop.weights to the .safetensors file of a trained model, or "
        "loop.replay and loop.warmup_steps to train the first one here");
  }
  show("starting");
}

DeskParts LiveLoop::desk_parts() {
  const auto look = [this](const cv::Mat& image_rgb) -> std::optional<cv::Mat> {
    cv::Mat label;
    const bool done = with_memory([&] { label = engine_.live().label(image_rgb); });
    parts_.health.progress(Owner::adapt);
    return done ? std::optional(label) : std::nullopt;
  };
  return {parts_.options,
          parts_.pace,
          parts_.store,
          pool_,
          parts_.outbox,
          [this] { return engine_.asked(); },
          [this](std::uint64_t id) { return engine_.asked(id); },
          look,
          [this] { return budget_.clock_s(); }};
}

/// Where the weights could not be read, what was asked and answered may still be there.
void LiveLoop::take_up_memory() {
  if (!engine_.load_memory(parts_.state.model())) return;
  place_ = decode_place(engine_.note());
  budget_ = AskBudget(place_.ask_fund);
  place_.train_until = engine_.step() + round().steps;
  spdlog::error(
      "the saved weights in {} cannot be read: training begins again, with the labels of {} regions",
      parts_.state.model().string(), engine_.labels().regions);
}

/// The first model, from the replay data alone: everything it learns becomes the live model.
bool LiveLoop::first_model() {
  const LoopOptions& loop = parts_.options.loop;
  const auto trained = parts_.state.warmup() / "trained.safetensors";
  const WarmUp plan{parts_.options.engine,
                    open_replay(parts_.options),
                    loop.replay,
                    static_cast<std::uint64_t>(parts_.options.seed),
                    loop.warmup_steps,
                    trained,
                    loop.start};
  const auto resume = [&](adapt::Engine& warm) {
    if (warm.load(parts_.state.warmup())) spdlog::info("warm-up goes on at step {}", warm.step());
    show("training", "warm-up on " + loop.replay);
  };
  if (!warm_up(plan, resume, [&](adapt::Engine& warm) { return warm_up_slice(warm); })) return false;
  engine_.load_weights(trained);
  save(Extent::all);
  if (stopping()) return false;
  has_model_ = true;
  std::error_code ignored;
  std::filesystem::remove_all(parts_.state.warmup(), ignored);
  return true;
}

/// A part of the warm-up, saved; nothing at a stop.
std::optional<adapt::TrainReport> LiveLoop::warm_up_slice(adapt::Engine& warm) {
  const int steps = parts_.options.loop.warmup_steps;
  const auto report = train_slice(warm, steps, [&](const adapt::TrainProgress&, std::int64_t step) {
    shown_.step = step;
    parts_.status.loop(shown_);
  });
  if (report.out_of_memory) {
    if (!wait_for_memory("no memory for a training step of even one image")) return std::nullopt;
  } else if (!report.gave_up && report.steps > 0) {
    spdlog::info("warm-up: step {} of {}, loss {}", warm.step(), steps, report.loss_text());
    warm.save(parts_.state.warmup());
  }
  return stopping() ? std::nullopt : std::optional(report);
}

/// Replaces <state>/live by the live model of now, unless that is out already, and runs the hook for it.
void LiveLoop::publish_live() {
  const auto record =
      place_.live_record.empty() ? nlohmann::json() : nlohmann::json::parse(place_.live_record);
  const int round = record.is_object() ? record.at("round").get<int>() : 0;
  if (publication_.round() != round) {
    DaemonOptions options = parts_.options;
    options.loop.live_onnx = parts_.pace.get().live_onnx;
    nlohmann::json about = manifest_of(options, engine_.live(), record);
    Publication::Write write_onnx;
    if (const auto onnx = live_onnx(options.loop))
      write_onnx = [&, onnx](const std::filesystem::path& file) { engine_.live().export_onnx(file, *onnx); };
    publication_.publish(
        std::move(about), [&](const std::filesystem::path& file) { engine_.live().save(file); }, write_onnx);
    spdlog::info("live model of round {} published in {}", round, publication_.folder().string());
  }
  run_hook();
}

void LiveLoop::run_hook() {
  const std::string command = parts_.pace.get().live_hook;
  if (command.empty() || publication_.hook_done()) return;
  std::string words;
  const auto alive = [&] { parts_.health.progress(Owner::adapt); };
  switch (publication_.run_hook(command, kHookPatience, stop_, alive, words)) {
    case Publication::Hook::succeeded:
      spdlog::info("loop.live_hook: done");
      break;
    case Publication::Hook::failed:
      spdlog::error("loop.live_hook '{}' failed: {}", command, words);
      break;
    case Publication::Hook::stopped:
      break;
  }
}

}  // namespace driftloop::daemon
