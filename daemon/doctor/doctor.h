// `driftloop doctor`: is this machine fit to be a vehicle? A table of checks, each of which looks at one part
// of it and says what is wrong with its cure.
#pragma once
#include <optional>
#include <span>
#include <string>

#include "daemon/commands/status_report.h"
#include "daemon/finding.h"
#include "daemon/live/daemon_options.h"

namespace driftloop::daemon {

/// What the checks look at.
struct Patient {
  DaemonOptions options;
  bool has_settings = false;  // of a file or the command line; without, the machine alone is looked at
  Findings settings;          // what find_problems() said of them
  std::optional<StatusReport> status;  // of the daemon with this state folder, when it can be read

  /// The daemon holds the camera and the link now; its word counts.
  bool daemon_lives() const;
  bool failed(const std::string& key) const;
};

struct DoctorCheck {
  const char* name;
  const char* help;
  void (*look)(const Patient&, Findings&);
};

// Of the table; in doctor_machine.cpp.
void look_at_plugins(const Patient& patient, Findings& found);
void look_at_gpu(const Patient& patient, Findings& found);
void look_at_learner(const Patient& patient, Findings& found);
void look_at_disk(const Patient& patient, Findings& found);
void look_at_clock(const Patient& patient, Findings& found);
void look_at_permissions(const Patient& patient, Findings& found);

std::span<const DoctorCheck> doctor_checks();

/// Everything, in the order of the table: the settings, then the machine. A check that throws is a failure of
/// its part.
Findings examine(const Patient& patient);

}  // namespace driftloop::daemon
