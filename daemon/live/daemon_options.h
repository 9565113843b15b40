// Every setting of driftloopd; what each does is said where it is described.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "adapt/options.h"
#include "capture/frame_store.h"
#include "capture/gate.h"
#include "capture/source.h"
#include "config/fields.h"
#include "daemon/live/ask_budget.h"
#include "daemon/round_plan.h"
#include "uplink/zmq_vehicle_link.h"

namespace driftloop::daemon {

struct LoopOptions {
  /// A quarter of the day's regions, as a round waits for its labels; two of a frame, as neighbours in time
  /// teach the same.
  RoundPlan rounds = {{.times = std::nullopt, .budget = {.regions = 50, .pixels_per_frame = 2 * 64 * 64}}};
  std::string at_end = "idle";
  int min_frames = 100;
  double save_every_s = 540;
  double label_wait_s = 21'600;
  double label_share = 0.9;
  std::int64_t max_pending = 500;
  std::optional<double> give_up_after_days = 14;
  std::optional<double> regions_per_day = 200;
  std::optional<double> label_seconds_per_day = 3600;
  double seconds_per_region = 15;
  std::string weights;
  bool keep_rounds = false;
  int context_px = 24;
  std::string crop_format = "webp";
  int crop_quality = 90;
  std::string replay;
  std::string start;
  int warmup_steps = 0;
  std::string live_onnx;
  std::string live_hook;
};
void describe(config::Fields& f, LoopOptions& o);
AskLimits ask_limits(const LoopOptions& o);

/// The learner's own defaults are the paper's benchmark; a vehicle asks people, so it asks for less and for
/// larger pieces.
struct DaemonOptions {
  DaemonOptions();
  std::string vehicle_id;
  std::string state;
  std::int64_t seed = 1;
  capture::SourceOptions camera;
  capture::GateOptions gate;
  capture::StoreOptions store;
  uplink::VehicleLinkOptions link;
  adapt::EngineOptions engine;
  LoopOptions loop;
};
void describe(config::Fields& f, DaemonOptions& o);

/// Reads the file and the --set values, and fills in what follows from others and from the environment of a
/// service ($STATE_DIRECTORY, $CREDENTIALS_DIRECTORY). Throws Error.
DaemonOptions read_options(const std::filesystem::path& file, const std::vector<std::string>& sets);

/// What each option allows alone is checked on reading; this refuses what together can never work
/// (options_check.h, find_contradictions). What the machine lacks is no reason not to start. Throws Error:
/// what, where, what to do.
void check_options(const DaemonOptions& options);

/// The settings as they may be stored and shown: YAML with its help, without the passwords of the camera.
std::string stored_text(const DaemonOptions& options);

struct Reload {
  DaemonOptions options;                   // `running` with what may change while it runs
  std::vector<std::string> needs_restart;  // lines of the fresh file that differ and were not taken
};
/// On SIGHUP: the gate and the loop's pace may change, all else is fixed at the start.
Reload reload_options(const DaemonOptions& running, const DaemonOptions& fresh);

}  // namespace driftloop::daemon
