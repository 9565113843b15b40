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
#include "uplink/zmq_vehicle_link.h"

namespace driftloop::daemon {

struct LoopOptions {
  int rounds = 0;                     // then the daemon ends; 0 = it runs for ever
  int min_frames = 100;               // in the store before the first regions are asked for
  int steps_per_round = 200;          // training steps
  int save_every_steps = 50;          // what a power cut may cost, in steps
  double label_wait_s = 21'600;       // for the answers of a round; then it goes on with what came
  double label_share = 0.9;           // of the asked regions, answered or refused: enough to go on
  std::int64_t max_pending = 10'000;  // unanswered regions beyond which no new ones are asked
  std::string weights;                // start weights of the live model (safetensors)
  bool keep_rounds = false;           // keep models/round_<n>.safetensors of every round
  int context_px = 24;                // surroundings sent with a region, on each side
  std::string crop_format = "jpeg";   // of the pictures sent
  int crop_quality = 90;              // of JPEG
  std::string replay;                 // labelled source images, as a data set text; "" = source-free
  int warmup_steps = 0;               // without `weights`: train so long on `replay` first
};
void describe(config::Fields& f, LoopOptions& o);

struct DaemonOptions {
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

struct Reload {
  DaemonOptions options;                   // `running` with what may change while it runs
  std::vector<std::string> needs_restart;  // lines of the fresh file that differ and were not taken
};
/// On SIGHUP: the gate and the loop's pace may change, all else is fixed at the start.
Reload reload_options(const DaemonOptions& running, const DaemonOptions& fresh);

}  // namespace driftloop::daemon
