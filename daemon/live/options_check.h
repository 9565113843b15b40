// What is wrong with the daemon's settings, all of it: in themselves, and against this machine.
#pragma once
#include <filesystem>

#include "daemon/finding.h"
#include "daemon/live/daemon_options.h"

namespace driftloop::daemon {

/// Settings that can never work, whatever the machine: the daemon does not start with them. Failures only.
Findings find_contradictions(const DaemonOptions& options);

/// The contradictions, and what of the machine is not as the settings need it (a missing camera, weights of
/// another net): the daemon starts with those, says so, and goes on without. Failures and warnings, none when
/// all is well. Opens no camera, renders nothing, writes nothing, needs no secret. May take seconds: weights
/// are read, GStreamer looks at its plug-ins.
Findings find_problems(const DaemonOptions& options);

/// The deepest folder on the way to `path` that exists.
std::filesystem::path existing_part(std::filesystem::path path);

}  // namespace driftloop::daemon
