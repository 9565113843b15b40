// The thread that owns the camera: source -> gate -> frame store.
#pragma once
#include <filesystem>
#include <stop_token>

#include "capture/frame_store.h"
#include "capture/gate.h"
#include "capture/source.h"
#include "daemon/health.h"
#include "daemon/latest.h"
#include "daemon/live_status.h"

namespace driftloop::daemon {

struct CaptureParts {
  capture::SourceOptions camera;
  /// <state>/capture.json: how far a finite source has come, so that a restart neither repeats nor skips.
  std::filesystem::path progress_file;
  const Latest<capture::GateOptions>& gate;  // may change meanwhile
  capture::FrameStore& store;
  LiveStatus& status;
  Health& health;
  News& news;
};

/// Runs until `stop`, or until a finite source is through (then Health::finished). A camera frame for which
/// there is no room is dropped and counted; a finite source waits for room instead. Throws Error when the
/// source fails for good or the store does.
void run_capture(const CaptureParts& parts, std::stop_token stop);

}  // namespace driftloop::daemon
