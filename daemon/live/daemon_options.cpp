#include "daemon/live/daemon_options.h"

#include <algorithm>
#include <cstdlib>

#include "config/layers.h"
#include "config/redact.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

/// systemd gives several folders as one text with colons; the first is ours.
std::string folder_from(const char* variable) {
  const char* value = std::getenv(variable);
  const std::string text = value ? value : "";
  return text.substr(0, text.find(':'));
}

void fill_in(DaemonOptions& o) {
  if (o.state.empty()) o.state = folder_from("STATE_DIRECTORY");
  if (o.link.vehicle_id.empty()) o.link.vehicle_id = o.vehicle_id;
  if (o.vehicle_id.empty()) o.vehicle_id = o.link.vehicle_id;
  const std::string credentials = folder_from("CREDENTIALS_DIRECTORY");
  if (o.link.secret_key_file.empty() && !credentials.empty())
    o.link.secret_key_file = fs::path(credentials) / "vehicle.key";
  if (!o.state.empty()) o.store.folder = fs::path(o.state) / "frames";
}

}  // namespace

void describe(config::Fields& f, LoopOptions& o) {
  f.list("rounds", o.rounds, "what is asked for when, and how long is learnt; after the last, see at_end");
  f.gone("steps_per_round", "each round says it for itself, as rounds: [{times: none, steps: 200}]");
  f.choice("at_end", o.at_end, {"idle", "exit"},
           "after the last round: idle (capture and link go on, as a service must) or exit (for scripts)");
  f.field("min_frames", o.min_frames, {1, 10'000'000},
          "frames in the store before the first regions are asked for (a finite source may end with fewer)");
  f.field("save_every_s", o.save_every_s, {0, 86'400},
          "seconds of training between two saved states: what a power cut may cost, by default less than ten "
          "minutes of steps; more often wears the flash");
  f.field(
      "label_wait_s", o.label_wait_s, {0, 1e9},
      "seconds to wait for the answers of a round, then it goes on with what came; before the first label "
      "ever it waits on");
  f.field("label_share", o.label_share, {0, 1},
          "share of the asked regions, answered or refused, that is enough to go on");
  f.field(
      "max_pending", o.max_pending, {1, 10'000'000},
      "unanswered regions at any time, beyond which no new ones are asked: their frames cannot be evicted");
  f.field(
      "give_up_after_days", o.give_up_after_days, {0, 3650},
      "days after which an unanswered region neither counts nor holds its frame any more (its label is still "
      "taken while the frame is there); none = never");
  f.field("regions_per_day", o.regions_per_day, {0, 1e9}, "regions asked of people a day; none = no limit");
  f.field("label_seconds_per_day", o.label_seconds_per_day, {0, 1e9},
          "seconds of people's time asked for a day; none = no limit");
  f.field("seconds_per_region", o.seconds_per_region, {0.1, 3600},
          "what one region is reckoned to take a person, seconds; by default 64 px with a few classes");
  f.field("weights", o.weights,
          "start weights of the live model, a .safetensors file; empty = the first model is made on replay");
  f.field("keep_rounds", o.keep_rounds, "keep models/round_<n>.safetensors of every round");
  f.field("context_px", o.context_px, {0, 1024}, "surroundings sent with a region, pixels on each side");
  f.choice("crop_format", o.crop_format, {"webp", "jpeg", "png"},
           "how the pictures of regions are coded; webp is the smallest");
  f.field("crop_quality", o.crop_quality, {1, 100}, "quality of those pictures as webp or jpeg, 100 = best");
  f.field("replay", o.replay,
          "labelled source images to go on learning from, for example streetsim:game?frames=300 or "
          "folder:DIR; empty = source-free");
  f.field("start", o.start,
          "published weights that the warm-up begins with: a file (.safetensors, .pth) or a name as "
          "efficientnet_lite0; empty = from nothing");
  f.field("warmup_steps", o.warmup_steps, {0, 100'000'000},
          "without weights: training steps on replay that make the first model");
  f.field(
      "live_onnx", o.live_onnx,
      "size of the images, WIDTHxHEIGHT px, for which each live model is published as ONNX too (model.onnx); "
      "empty = as weights alone");
  f.field(
      "live_hook", o.live_hook,
      "command run by /bin/sh after each publication of a live model, with DRIFTLOOP_LIVE (its folder) and "
      "DRIFTLOOP_ROUND set; at most 60 s");
}

DaemonOptions::DaemonOptions() {
  auto& a = engine.acquisition;
  a.region_px = 64;    // a person sees what it is; 8 px are for an oracle
  a.max_frames = 400;  // that one round looks at: minutes of a small GPU, and not hours
  engine.guard.max_regions = 400;
}

AskLimits ask_limits(const LoopOptions& o) {
  return {o.regions_per_day, o.label_seconds_per_day, o.seconds_per_region};
}

void describe(config::Fields& f, DaemonOptions& o) {
  f.field("vehicle_id", o.vehicle_id, "the name of this vehicle's .pub file at the station");
  f.field("state", o.state, "folder of everything durable; empty = $STATE_DIRECTORY");
  f.field("seed", o.seed, {0, 9'007'199'254'740'991}, "seed of every random draw of the learner");
  f.section("camera", o.camera, "where frames come from");
  f.section("gate", o.gate, "which frames are kept");
  f.section("store", o.store, "the kept frames on the disk, in <state>/frames");
  f.section("link", o.link, "the way to the station");
  f.section("engine", o.engine, "settings of the learner");
  f.section("loop", o.loop, "the pace of the loop");
}

DaemonOptions read_options(const fs::path& file, const std::vector<std::string>& sets) {
  DaemonOptions options;
  config::Layers("", file, sets).apply(options);
  fill_in(options);
  return options;
}

std::string stored_text(const DaemonOptions& options) {
  DaemonOptions shown = options;
  shown.camera.uri = config::without_secrets(shown.camera.uri);
  return config::to_yaml(shown, config::Comments::help);
}

Reload reload_options(const DaemonOptions& running, const DaemonOptions& fresh) {
  Reload reload{running, {}};
  DaemonOptions& now = reload.options;
  now.gate = fresh.gate;
  now.loop.rounds = fresh.loop.rounds;
  now.loop.at_end = fresh.loop.at_end;
  now.loop.save_every_s = fresh.loop.save_every_s;
  now.loop.give_up_after_days = fresh.loop.give_up_after_days;
  now.loop.regions_per_day = fresh.loop.regions_per_day;
  now.loop.label_seconds_per_day = fresh.loop.label_seconds_per_day;
  now.loop.seconds_per_region = fresh.loop.seconds_per_region;
  now.loop.live_onnx = fresh.loop.live_onnx;
  now.loop.live_hook = fresh.loop.live_hook;
  now.loop.label_wait_s = fresh.loop.label_wait_s;
  now.loop.label_share = fresh.loop.label_share;
  now.loop.max_pending = fresh.loop.max_pending;
  now.loop.keep_rounds = fresh.loop.keep_rounds;
  now.loop.context_px = fresh.loop.context_px;
  now.loop.crop_format = fresh.loop.crop_format;
  now.loop.crop_quality = fresh.loop.crop_quality;
  const std::vector<std::string> taken = config::to_lines(now);
  for (const auto& wanted : config::to_lines(fresh))
    if (std::find(taken.begin(), taken.end(), wanted) == taken.end()) reload.needs_restart.push_back(wanted);
  return reload;
}

}  // namespace driftloop::daemon
