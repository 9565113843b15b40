// Every setting of driftloopd, with its unit, range and effect.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "adapt/options.h"
#include "capture/frame_store.h"
#include "capture/gate.h"
#include "capture/source.h"
#include "config/fields.h"
#include "daemon/ask_budget.h"
#include "uplink/zmq_vehicle_link.h"

namespace driftloop::daemon {

struct LoopOptions {
  int rounds = 0;                       // then `at_end`; 0 = it runs for ever
  std::string at_end = "idle";          // after `rounds`: idle (as a service must) or exit
  int min_frames = 100;                 // in the store before the first regions are asked for
  int steps_per_round = 200;            // training steps
  double save_every_s = 540;            // of training: what a power cut may cost is under 10 minutes of steps
  double label_wait_s = 21'600;         // for the answers of a round; then it goes on with what came
  double label_share = 0.9;             // of the asked regions, answered or refused: enough to go on
  std::int64_t max_pending = 500;       // unanswered regions at any time: their frames are kept for them
  double give_up_after_days = 14;       // then an unanswered region no longer holds its frame; 0 = never
  double regions_per_day = 200;         // asked of people; 0 = no limit
  double label_seconds_per_day = 3600;  // of people's time; 0 = no limit
  double seconds_per_region = 15;       // what one region is reckoned to take them: 64 px, a few classes
  std::string weights;                  // start weights of the live model (safetensors)
  bool keep_rounds = false;             // keep models/round_<n>.safetensors of every round
  int context_px = 24;                  // surroundings sent with a region, on each side
  std::string crop_format = "jpeg";     // of the pictures sent
  int crop_quality = 90;                // of JPEG
  std::string replay;                   // labelled source images, as a data set text; "" = source-free
  int warmup_steps = 0;                 // without `weights`: train so long on `replay` first
  std::string live_hook;                // a command run after each publication of a live model
};
void describe(config::Fields& f, LoopOptions& o);
AskLimits ask_limits(const LoopOptions& o);

/// The learner's own defaults are the paper's benchmark; a vehicle asks people, so it asks for less and for
/// larger pieces.
struct DaemonOptions {
  DaemonOptions();
  std::string vehicle_id;
  std::string state;  // folder; "" = $STATE_DIRECTORY
  std::int64_t seed = 1;
  capture::SourceOptions camera;
  capture::GateOptions gate;
  capture::StoreOptions store;  // its folder is <state>/frames
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
