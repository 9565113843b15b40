// The borders of the loop: start and first model, regions on their way out, labels on their way in.
#include <spdlog/spdlog.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "adapt/data/dataset.h"
#include "config/check.h"
#include "daemon/live/live_loop.h"
#include "daemon/live/manifest.h"
#include "daemon/live/start_weights.h"

namespace driftloop::daemon {
namespace {

/// The learner's view of a warm-up: source images alone.
class NoFrames : public adapt::FramePool {
 public:
  std::vector<adapt::PoolFrame> frames() const override { return {}; }
  cv::Mat image_rgb(const std::string&) const override { return {}; }
};

constexpr std::chrono::seconds kHookPatience{60};

std::shared_ptr<const adapt::Dataset> open_replay(const DaemonOptions& options) {
  if (options.loop.replay.empty()) return nullptr;
  const auto cache_bytes = static_cast<std::size_t>(options.engine.input.cache_mb) << 20;
  return adapt::cached(adapt::open_dataset(options.loop.replay, ""), cache_bytes);
}

}  // namespace

LiveLoop::LiveLoop(const LiveParts& parts, std::stop_token stop)
    : parts_(parts),
      stop_(std::move(stop)),
      pool_(parts.store, [&health = parts.health] { health.progress(Owner::adapt); }),
      engine_(parts.options.engine, open_replay(parts.options), pool_,
              static_cast<std::uint64_t>(parts.options.seed)),
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
    if (!place_.last_record.empty())
      shown_.last_verdict = nlohmann::json::parse(place_.last_record).at("verdict").get<std::string>();
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

/// Where the weights could not be read, what was asked and answered may still be there.
void LiveLoop::take_up_memory() {
  if (!engine_.load_memory(parts_.state.model())) return;
  place_ = decode_place(engine_.note());
  budget_ = AskBudget(place_.ask_fund);
  place_.train_until = engine_.step() + parts_.pace.get().steps_per_round;
  spdlog::error(
      "the saved weights in {} cannot be read: training begins again, with the labels of {} regions",
      parts_.state.model().string(), engine_.labels().regions);
}

/// The first model, from the replay data alone: everything it learns becomes the live model.
bool LiveLoop::first_model() {
  const LoopOptions& loop = parts_.options.loop;
  adapt::EngineOptions options = parts_.options.engine;
  options.guard.enabled = false;
  options.selftrain.weight = 0;
  NoFrames no_frames;
  adapt::Engine warm(options, open_replay(parts_.options), no_frames,
                     static_cast<std::uint64_t>(parts_.options.seed));
  if (warm.load(parts_.state.warmup())) spdlog::info("warm-up goes on at step {}", warm.step());
  show("training", "warm-up on " + loop.replay);
  while (warm.step() < loop.warmup_steps && !stopping()) {
    const auto report =
        train_slice(warm, loop.warmup_steps, [&](const adapt::TrainProgress&, std::int64_t step) {
          shown_.step = step;
          parts_.status.loop(shown_);
        });
    if (report.out_of_memory) {
      if (!wait_for_memory("no memory for a training step of even one image")) break;
      continue;
    }
    if (report.gave_up || (report.steps == 0 && !report.stopped))
      throw Error("warm-up on " + loop.replay +
                  " does not learn: its loss is not finite; lower engine.train.rate");
    spdlog::info("warm-up: step {} of {}, loss {}", warm.step(), loop.warmup_steps, report.loss_text());
    warm.save(parts_.state.warmup());
  }
  if (stopping()) return false;
  warm.judge();  // without a guard: the trained model becomes the live one
  const auto trained = parts_.state.warmup() / "trained.safetensors";
  warm.live().save(trained);
  engine_.load_weights(trained);
  save(Extent::all);
  if (stopping()) return false;
  has_model_ = true;
  std::error_code ignored;
  std::filesystem::remove_all(parts_.state.warmup(), ignored);
  return true;
}

/// Replaces <state>/live by the live model of now, unless that is out already, and runs the hook for it.
void LiveLoop::publish_live() {
  const auto record =
      place_.live_record.empty() ? nlohmann::json() : nlohmann::json::parse(place_.live_record);
  const int round = record.is_object() ? record.at("round").get<int>() : 0;
  if (publication_.round() != round) {
    nlohmann::json about = manifest_of(parts_.options, engine_.live(), record);
    publication_.publish(std::move(about),
                         [&](const std::filesystem::path& file) { engine_.live().save(file); });
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

/// Makes the messages of asked regions and notes their digests as pending. A region whose frame is gone, or
/// that cannot be sent, is dropped and counted. False at a stop.
bool LiveLoop::code_regions(std::span<const std::uint64_t> ids) {
  const auto pace = parts_.pace.get();
  const CodecOptions codec{parts_.options.vehicle_id,
                           parts_.options.engine.acquisition.strategy,
                           parts_.options.engine.label_space,
                           pace.context_px,
                           pace.crop_format,
                           pace.crop_quality};
  std::map<std::string, std::vector<adapt::Region>> by_frame;  // one look of the live model at each frame
  for (const std::uint64_t id : ids)
    if (auto region = engine_.asked(id)) by_frame[region->frame_id].push_back(std::move(*region));
  std::map<std::uint64_t, uplink::OutboundItem> coded;  // in the order they were asked
  for (const auto& [frame_id, regions] : by_frame) {
    const auto stored = parts_.store.find(frame_id);
    SeenFrame frame{
        stored.value_or(capture::StoredFrame{}), stored ? pool_.image_rgb(frame_id) : cv::Mat(), {}};
    if (frame.image_rgb.empty()) continue;
    if (!with_memory([&] { frame.prediction = engine_.live().label(frame.image_rgb); })) return false;
    parts_.health.progress(Owner::adapt);
    for (const auto& region : regions) {
      const auto request = encode_region(frame, region, place_.round, codec);
      const std::string problem = uplink::problem_of(request);
      if (problem.empty())
        coded[region.id] = uplink::outbound(request, request.score);
      else
        spdlog::warn("a region of frame {} cannot be sent: {}", frame.stored.name, problem);
    }
  }
  items_.clear();
  for (auto& [id, item] : coded) {
    place_.pending.push_back({item.digest, id, place_.round, budget_.clock_s()});
    items_.push_back(std::move(item));
  }
  place_.asked_this_round = static_cast<std::int64_t>(items_.size());
  if (items_.size() < ids.size())
    spdlog::warn("{} of {} chosen regions were dropped: their frames are gone", ids.size() - items_.size(),
                 ids.size());
  return true;
}

/// What the inbox holds after the last merged row, as labels for the learner; moves the place past it.
std::vector<adapt::RegionLabel> LiveLoop::returned_labels() {
  std::unordered_multimap<std::string, std::uint64_t> ids_of;
  for (const auto& region : place_.pending) ids_of.emplace(region.digest, region.id);
  std::vector<adapt::RegionLabel> labels;
  std::int64_t refused = 0, unusable = 0;
  for (auto rows = parts_.outbox.labels_after(place_.merged_row); !rows.empty();
       rows = parts_.outbox.labels_after(place_.merged_row)) {
    for (const auto& row : rows) {
      place_.merged_row = row.row_id;
      const auto& reply = row.reply;
      const auto [first, last] = ids_of.equal_range(reply.request_digest);
      for (auto it = first; it != last; ++it) {
        const auto region = engine_.asked(it->second);
        if (!region) continue;  // retired meanwhile
        if (reply.outcome == uplink::LabelReply::Outcome::refused) {
          if (++refused == 1)
            spdlog::warn("the lab refused a region of {}: {}", row.request.frame_name, reply.reason);
          continue;
        }
        auto mask = decode_mask(reply, region->box_px, parts_.options.engine.label_space);
        if (mask)
          labels.push_back({region->frame_id, region->box_px, std::move(*mask.value), region->id});
        else if (++unusable == 1)
          spdlog::error("a label of {} cannot be used: {}", row.request.frame_name, mask.problem);
      }
      ids_of.erase(first, last);
    }
  }
  std::set<std::string> open;
  for (const auto& [digest, id] : ids_of) open.insert(digest);
  const std::size_t unanswered = open.size();
  close_unanswerable(open);
  std::erase_if(place_.pending, [&](const PendingRegion& region) { return !open.contains(region.digest); });
  if (open.size() < unanswered)
    spdlog::warn("{} regions can have no label: refused by the station or damaged here",
                 unanswered - open.size());
  if (refused + unusable > 0)
    spdlog::warn("{} regions refused by the lab, {} labels unusable", refused, unusable);
  return labels;
}

/// Tells the store which frames the learner needs: unanswered ones are never evicted, asked ones last.
void LiveLoop::mark_asked_frames() {
  std::map<std::string, FrameUse> use;
  for (const auto& region : engine_.asked()) use[region.frame_id].asked = true;
  for (const auto& pending : place_.pending)
    if (const auto region = given_up(pending) ? std::nullopt : engine_.asked(pending.id))
      ++use[region->frame_id].unanswered;
  mark_frames(parts_.store, use);
}

/// Takes out those for which no label will come: the station will never take them, or they were damaged here.
void LiveLoop::close_unanswerable(std::set<std::string>& open) {
  const std::vector<std::string> digests(open.begin(), open.end());
  for (const auto& digest : parts_.outbox.unanswerable(digests)) open.erase(digest);
}

}  // namespace driftloop::daemon
