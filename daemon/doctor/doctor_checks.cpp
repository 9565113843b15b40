#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <map>
#include <sstream>

#include "config/check.h"
#include "daemon/doctor/doctor.h"
#include "daemon/live/options_check.h"
#include "uplink/keys.h"
#include "uplink/probe.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using Level = Finding::Level;

constexpr auto kLinkPatience = std::chrono::seconds(5);
constexpr auto kRead = std::chrono::milliseconds(200);
constexpr double kOldFrameS = 10;

double seconds_from(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// ---- settings and keys ----

void look_at_settings(const Patient& p, Findings& found) {
  if (!p.has_settings && p.settings.empty()) {
    found.push_back({Level::warn, "settings", "there are none: no /etc/driftloop/driftloopd.yaml",
                     "give --config FILE; until then only the machine is looked at"});
    return;
  }
  found.insert(found.end(), p.settings.begin(), p.settings.end());
  if (p.settings.empty()) found.push_back({Level::ok, "settings", "nothing wrong with them", {}});
}

void look_at_keys(const Patient& p, Findings& found) {
  const std::string& file = p.options.link.secret_key_file;
  if (!p.has_settings || p.failed("link.secret_key_file") || p.failed("link.station_public_key")) return;
  if (file.empty() || ::access(file.c_str(), R_OK) != 0) return;  // of this the settings' findings speak
  found.push_back({Level::ok,
                   "keys",
                   "this vehicle's public key is " + uplink::load_keys(file).public_z85 +
                       "; the station knows it by the file " + p.options.vehicle_id + ".pub",
                   {}});
}

// ---- the daemon ----

std::string output_of(const std::string& command) {
  FILE* pipe = ::popen(command.c_str(), "r");
  if (pipe == nullptr) throw Error("cannot run: " + command);
  std::string output;
  char buffer[4096];
  for (std::size_t got = 0; (got = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    output.append(buffer, got);
  ::pclose(pipe);
  return output;
}

void look_at_unit(const Patient&, Findings& found) {
  std::error_code error;
  if (!fs::is_directory("/run/systemd/system", error)) {
    found.push_back({Level::warn, "unit",
                     "this machine was not started by systemd: nothing starts driftloopd by itself",
                     "on a vehicle install the unit (docs/install.md)"});
    return;
  }
  std::map<std::string, std::string> unit;
  std::istringstream lines(output_of(
      "systemctl show driftloopd.service -p LoadState,ActiveState,UnitFileState,Result,NRestarts 2>&1"));
  for (std::string line; std::getline(lines, line);)
    unit[line.substr(0, line.find('='))] = line.substr(std::min(line.find('=') + 1, line.size()));
  const std::string active = unit["ActiveState"];
  if (unit["LoadState"] != "loaded") {
    found.push_back(
        {Level::fail, "unit", "driftloopd.service is not installed",
         "sudo cmake --install build/release, then sudo systemctl daemon-reload (docs/install.md)"});
    return;
  }
  if (active == "failed" || active == "activating")
    found.push_back({Level::fail, "unit",
                     "driftloopd.service does not come up (" + active + ", " + unit["Result"] +
                         ", restarted " + unit["NRestarts"] + " times)",
                     "journalctl -u driftloopd -n 20 has its reason"});
  else if (active != "active")
    found.push_back({Level::fail, "unit", "driftloopd.service is not running (" + active + ')',
                     "sudo systemctl enable --now driftloopd"});
  else
    found.push_back({Level::ok, "unit", "driftloopd.service is active", {}});
  if (unit["UnitFileState"] != "enabled")
    found.push_back({Level::warn, "unit",
                     "driftloopd.service is '" + unit["UnitFileState"] + "': it does not start at boot",
                     "sudo systemctl enable driftloopd"});
}

void look_at_daemon(const Patient& p, Findings& found) {
  if (!p.status) return;
  const auto& s = *p.status;
  if (s.life == Life::silent)
    found.push_back({Level::fail, "daemon", "it hangs: no word for " + age_text(s.age_s),
                     "its watchdog ends it; if not: sudo systemctl restart driftloopd"});
  if (s.life == Life::killed)
    found.push_back({Level::warn, "daemon",
                     "the last one was killed or lost power " + age_text(s.age_s) + " ago",
                     "journalctl -u driftloopd -n 50, and -k for the kernel's out-of-memory killer"});
  if (!p.daemon_lives()) return;
  const auto trouble = s.content.value("trouble", nlohmann::json::object());
  for (const auto& [owner, why] : trouble.items())
    found.push_back({Level::fail, "daemon", owner + ": " + why.get<std::string>(),
                     "it tries again by itself; the text says what it waits for"});
  if (const auto message = s.content.value("message", ""); !message.empty())
    found.push_back({Level::warn, "daemon", message, {}});
}

// ---- camera ----

void look_at_running_camera(const StatusReport& status, Findings& found) {
  const auto camera = status.content.value("camera", nlohmann::json::object());
  const double age_s = seconds_since(status, "last_frame");
  if (camera.value("ended", false))
    found.push_back({Level::ok, "camera", "the source was read to its end", {}});
  else if (age_s < 0)
    found.push_back({Level::fail, "camera", "the daemon has never had a frame of it",
                     "journalctl -u driftloopd says what the camera answers"});
  else
    found.push_back({age_s > kOldFrameS ? Level::fail : Level::ok, "camera",
                     "the daemon's last frame is " + age_text(age_s) + " old",
                     age_s > kOldFrameS ? "look at the cable; journalctl -u driftloopd" : ""});
}

void look_at_camera(const Patient& p, Findings& found) {
  if (!p.has_settings || p.options.camera.uri.empty() || p.failed("camera.uri")) return;
  if (p.daemon_lives()) return look_at_running_camera(*p.status, found);
  const auto start = Clock::now();
  const auto patience = std::chrono::milliseconds(p.options.camera.start_timeout_ms) + kRead;
  const auto source = capture::open_source(p.options.camera);
  std::string message;
  while (Clock::now() - start < patience) {
    const capture::ReadResult result = source->read(kRead);
    if (!result.message.empty()) message = result.message;
    if (result.status == capture::ReadStatus::frame) {
      char took[32];
      std::snprintf(took, sizeof took, "%.1f s", seconds_from(start));
      found.push_back({Level::ok,
                       "camera",
                       "a frame of " + std::to_string(result.frame.image_rgb.cols) + 'x' +
                           std::to_string(result.frame.image_rgb.rows) + " px came after " + took,
                       {}});
      return;
    }
    if (result.status == capture::ReadStatus::error || result.status == capture::ReadStatus::end) break;
  }
  found.push_back(
      {Level::fail, "camera",
       "no frame came within " + age_text(seconds_from(start)) + (message.empty() ? "" : ": " + message),
       "is it plugged in, is another program using it (fuser /dev/video*), is the address right?"});
}

void look_at_link(const Patient& p, Findings& found) {
  if (!p.has_settings) return;
  const auto& link = p.options.link;
  if (p.daemon_lives()) {
    const auto told = p.status->content.value("link", nlohmann::json::object());
    const bool up = told.value("connected", false);
    const std::string why = told.value("message", "");
    found.push_back(
        {up ? Level::ok : Level::fail, "link",
         up ? "the daemon is connected" : "the daemon is not connected" + (why.empty() ? "" : ": " + why),
         up ? "" : "is the vehicle on line, is the station running? Regions wait meanwhile"});
    return;
  }
  for (const char* key : {"link.station_endpoint", "link.station_public_key", "link.secret_key_file"})
    if (p.failed(key)) return;
  if (link.secret_key_file.empty() || ::access(link.secret_key_file.c_str(), R_OK) != 0) {
    found.push_back(
        {Level::warn, "link", "not tried: this user has no key to try it with", "run this with sudo"});
    return;
  }
  const auto probe = uplink::probe_station(link, kLinkPatience);
  using Answer = uplink::StationProbe::Answer;
  const std::string at = " at " + link.station_endpoint;
  const std::map<Answer, Finding> findings{
      {Answer::silent,
       {Level::fail, "link", "nothing answers" + at,
        "is the vehicle on line, is the address right, is the station running, does a firewall let the port "
        "through?"}},
      {Answer::no_station,
       {Level::fail, "link", "something answers" + at + ", but not our station with the key we expect",
        "compare link.station_public_key with the station's .pub file; is the port right?"}},
      {Answer::refused,
       {Level::fail, "link", "the station" + at + " does not know this vehicle",
        "put " + probe.public_key + " into its allow folder as " + p.options.vehicle_id + ".pub"}},
      {Answer::accepted,
       {Level::ok, "link", "the station" + at + " knows this vehicle and its key is right", {}}}};
  found.push_back(findings.at(probe.answer));
}

constexpr std::array<DoctorCheck, 12> kChecks{{
    {"settings", "everything --check-config looks at: camera, device, weights, keys, quota",
     look_at_settings},
    {"keys", "this vehicle's key is valid; its public half", look_at_keys},
    {"unit", "systemd's unit is installed, enabled and up", look_at_unit},
    {"daemon", "what the running daemon complains of", look_at_daemon},
    {"plugin", "GStreamer's elements", look_at_plugins},
    {"camera", "one frame, or the age of the daemon's last one", look_at_camera},
    {"gpu", "there, visible to LibTorch, allowed", look_at_gpu},
    {"libtorch", "a small net gives an answer", look_at_learner},
    {"disk", "free, writable, not dying", look_at_disk},
    {"clock", "synchronised and plausible", look_at_clock},
    {"link", "the station answers and knows us, or the daemon is connected", look_at_link},
    {"permissions", "the service's user may open camera and GPU", look_at_permissions},
}};

}  // namespace

bool Patient::daemon_lives() const {
  return status && (status->life == Life::running || status->life == Life::silent);
}

bool Patient::failed(const std::string& key) const {
  return std::any_of(settings.begin(), settings.end(), [&](const Finding& finding) {
    return finding.what == key && finding.level == Level::fail;
  });
}

std::span<const DoctorCheck> doctor_checks() {
  return kChecks;
}

Findings examine(const Patient& patient) {
  Findings found;
  for (const auto& check : kChecks) {
    try {
      check.look(patient, found);
    } catch (const std::exception& error) {
      const std::string what = error.what();  // LibTorch adds a stack trace in further lines
      found.push_back({Level::fail, check.name, what.substr(0, what.find('\n')), {}});
    }
  }
  return found;
}

}  // namespace driftloop::daemon
