// What a person reads of a daemon's status.json: whether it lives, what it does, how old each piece of news
// is.
#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "daemon/moment.h"

namespace driftloop::daemon {

enum class Life {
  running,
  silent,   // the process is there and has not written for long: it hangs, or its disk does
  stopped,  // in order
  killed    // gone without a word: killed, or the power went
};

struct StatusReport {
  std::filesystem::path file;
  nlohmann::json content;
  Life life = Life::stopped;
  double age_s = 0;  // of the content
};

/// The folder where the service's status.json is: $RUNTIME_DIRECTORY, else /run/driftloop.
std::filesystem::path service_runtime_folder();

/// The newest status of the daemon with the state folder `state`, in there or in the service's runtime
/// folder; "" = this machine's service (/run/driftloop, then /var/lib/driftloop). Throws Error: there is
/// none, it is damaged, or this user may not read it (with the group to join).
StatusReport read_status(const std::filesystem::path& state);

/// The content and the verdict on it. `now` and the process table are the reader's.
StatusReport judge_status(nlohmann::json content, const Moment& now);

/// Several lines for a person.
std::string status_text(const StatusReport& report);

/// The content for a program: `running` and "life" are as judged now, every age_s counted up to now.
nlohmann::json status_json(const StatusReport& report);

/// Seconds since a moment of the content ("last_frame"); negative when it never was.
double seconds_since(const StatusReport& report, const char* what);

}  // namespace driftloop::daemon
