// The thread that owns the camera: source -> gate -> frame store.
#pragma once
#include <chrono>
#include <filesystem>
#include <stop_token>

#include "capture/frame_store.h"
#include "capture/gate.h"
#include "capture/source.h"
#include "daemon/live/health.h"
#include "daemon/live/latest.h"
#include "daemon/live/live_status.h"

namespace driftloop::daemon {

/// What is done about a source that cannot be opened or fails for good.
struct CaptureRetry {
  std::chrono::milliseconds first{5'000};     // before it is opened again; doubles with each failure
  std::chrono::milliseconds most{60'000};     // and never grows over this
  std::chrono::milliseconds healthy{60'000};  // frames for so long: the waits begin anew
  std::chrono::milliseconds silent{10'000};   // a camera without a frame for so long counts as degraded
};

struct CaptureParts {
  capture::SourceOptions camera;
  /// <state>/capture.json: how far a finite source has come, so that a restart neither repeats nor skips.
  std::filesystem::path progress_file;
  const Latest<capture::GateOptions>& gate;  // may change meanwhile
  capture::FrameStore& store;
  LiveStatus& status;
  Health& health;
  News& news;
  CaptureRetry retry{};
};

/// Runs until `stop`, or until a finite source is through (then Health::finished). A camera frame for which
/// there is no room is dropped and counted; a finite source waits for room instead.
///
/// A source that cannot be opened, fails for good or is silent, and a store that failed, are no death: the
/// owner is degraded (Health, CaptureStatus::message), the source is opened again after a while, and its
/// first frame is the recovery. Throws capture::NeedsNewProcess, and what is our own bug.
void run_capture(const CaptureParts& parts, std::stop_token stop);

}  // namespace driftloop::daemon
