// `driftloop status`: what the daemon on this machine is doing.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>

#include "config/check.h"
#include "daemon/commands/commands.h"
#include "daemon/commands/status_report.h"
#include "daemon/live/latest.h"
#include "daemon/stop_signals.h"

namespace driftloop::daemon {
namespace {

constexpr int kNotRunning = 3;  // as of `systemctl status`
constexpr auto kWatchPeriod = std::chrono::seconds(1);

struct Arguments {
  std::string state;
  bool as_json = false, watch = false;
};

std::string shown(const StatusReport& report, bool as_json, bool in_one_line) {
  if (!as_json) return status_text(report);
  return status_json(report).dump(in_one_line ? -1 : 2) + '\n';
}

/// Until Ctrl-C: the page again and again, or one JSON value a line. What cannot be read now may be there in
/// a moment.
int watch(const Arguments& arguments) {
  StopSignals signals;
  News never;  // a pause that a signal ends
  const bool terminal = ::isatty(STDOUT_FILENO) != 0 && !arguments.as_json;
  while (!signals.token().stop_requested()) {
    std::string page;
    try {
      page = shown(read_status(arguments.state), arguments.as_json, /*in_one_line=*/true);
    } catch (const Error& error) {
      page = arguments.as_json ? nlohmann::json{{"problem", error.what()}}.dump() + '\n'
                               : std::string(error.what()) + '\n';
    }
    std::printf(terminal ? "\033[H\033[J%s" : "%s", page.c_str());
    std::fflush(stdout);
    if (std::ferror(stdout) != 0) return 1;
    never.wait(signals.token(), kWatchPeriod);
  }
  return 0;
}

}  // namespace

Run add_status(CLI::App& app) {
  auto* command = app.add_subcommand("status", "what the daemon on this machine is doing");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--state", arguments->state,
                      "its state folder; default: the service's (/run/driftloop, /var/lib/driftloop)");
  command->add_flag("--json", arguments->as_json,
                    "for programs: status.json with what can be told of it now");
  command->add_flag("--watch", arguments->watch, "again each second, until Ctrl-C");
  command->footer("Exit status: 0 it runs, 3 it does not, 1 its status cannot be read.");
  return [arguments] {
    if (arguments->watch) return watch(*arguments);
    const StatusReport report = read_status(arguments->state);
    std::fputs(shown(report, arguments->as_json, /*in_one_line=*/false).c_str(), stdout);
    return report.life == Life::running || report.life == Life::silent ? 0 : kNotRunning;
  };
}

}  // namespace driftloop::daemon
