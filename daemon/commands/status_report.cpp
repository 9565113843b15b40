#include "daemon/commands/status_report.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <vector>

#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/live/state_folder.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;
constexpr const char* kServiceState = "/var/lib/driftloop";
constexpr const char* kServiceRuntime = "/run/driftloop";
constexpr double kLongSilence = 30;  // three signs of life have not come

std::string group_name(gid_t group) {
  const ::group* entry = ::getgrgid(group);
  return entry ? entry->gr_name : std::to_string(group);
}

/// What would let this user read the file.
std::string permission_cure(const fs::path& file) {
  fs::path at = file;
  struct stat info {};
  while (::stat(at.c_str(), &info) != 0 && at.has_relative_path()) at = at.parent_path();
  const mode_t needed = S_ISDIR(info.st_mode) ? S_IRGRP | S_IXGRP : S_IRGRP;
  const bool group_may = (info.st_mode & needed) == needed && info.st_gid != 0;
  if (!group_may) return "it is for root and the service alone: run this with sudo";
  const std::string group = group_name(info.st_gid);
  return "join the group '" + group + "' (sudo usermod -aG " + group +
         " \"$USER\", then log in again), or run this with sudo";
}

/// Nothing when the file is not there. Throws Error when it cannot be read.
std::optional<json> read_one(const fs::path& file) {
  if (::access(file.c_str(), R_OK) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    if (errno == EACCES || errno == EPERM)
      throw Error("you may not read " + file.string() + ": " + permission_cure(file));
    throw Error("cannot read " + file.string() + ": " + std::strerror(errno));
  }
  json content = json::parse(config::read_file(file), nullptr, /*allow_exceptions=*/false);
  if (!content.is_object())
    throw Error(file.string() + " is damaged; the running daemon writes it anew within 10 s");
  return content;
}

std::int64_t written_ns(const json& content) {
  return content.value("/written/wall_ns"_json_pointer, std::int64_t{0});
}

enum class Process { gone, of_this_number, the_very_one };

Process process_of(const json& content) {
  const auto pid = content.value("pid", std::int64_t{0});
  if (pid <= 0 || (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH)) return Process::gone;
  const auto ticks = process_start_ticks(pid);
  if (ticks == 0) return Process::of_this_number;  // /proc hides other users' processes
  return ticks == content.value("pid_start_ticks", std::uint64_t{0}) ? Process::the_very_one : Process::gone;
}

std::string bytes_text(double bytes) {
  constexpr std::array kUnits{"B", "kB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  for (; bytes >= 999.5 && unit + 1 < kUnits.size(); ++unit) bytes /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, kUnits[unit]);
  return text;
}

/// The lines of the text, as "name  value".
class Page {
 public:
  explicit Page(const StatusReport& report) : report_(report) {}
  void line(const char* name, const std::string& text) {
    char head[16];
    std::snprintf(head, sizeof head, "  %-9s ", name);
    text_ += head + text + '\n';
  }
  /// "12 s ago", "" when it never was.
  std::string ago(const char* what) const {
    const double seconds = seconds_since(report_, what);
    return seconds < 0 ? "" : age_text(seconds) + " ago";
  }
  /// ", for 12 s".
  std::string since(const std::string& what) const {
    const double seconds = seconds_since(report_, what.c_str());
    return seconds < 0 ? "" : " (for " + age_text(seconds) + ')';
  }
  std::string take() { return std::move(text_); }

 private:
  const StatusReport& report_;
  std::string text_;
};

std::string text_of(const json& part, const char* key) {
  const auto found = part.find(key);
  return found != part.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string count_of(const json& part, const char* key) {
  return std::to_string(part.value(key, std::int64_t{0}));
}

std::string head_text(const StatusReport& report) {
  const json& s = report.content;
  const std::string written = text_of(s.value("written", json::object()), "at");
  const std::string then = (written.empty() ? "" : "at " + written + ", ") + age_text(report.age_s) + " ago";
  switch (report.life) {
    case Life::running: {
      const double up_s = seconds_since(report, "started");
      return "driftloopd is running (pid " + count_of(s, "pid") +
             (up_s < 0 ? ")" : ", for " + age_text(up_s) + ')');
    }
    case Life::silent:
      return "driftloopd hangs: pid " + count_of(s, "pid") + " is there and has said nothing for " +
             age_text(report.age_s);
    case Life::stopped:
      return "driftloopd is not running: it was stopped " + then;
    case Life::killed:
      return "driftloopd is not running: it was killed or lost power; its last word was " + then;
  }
  return {};
}

void camera_lines(const json& s, Page& page) {
  const json camera = s.value("camera", json::object());
  std::string text = count_of(camera, "frames") + " frames read";
  if (const auto last = page.ago("last_frame"); !last.empty()) text += ", the last " + last;
  if (camera.value("ended", false)) text += "; the source is through";
  if (camera.value("restarts", 0) > 0) text += "; opened again " + count_of(camera, "restarts") + " times";
  page.line("camera", text);
  text = count_of(s, "frames_in_store") + " frames kept";
  if (const auto last = page.ago("last_stored_frame"); !last.empty()) text += ", the last " + last;
  const json gate = camera.value("gate", json::object());
  std::string rejected;
  for (const auto& [verdict, count] : gate.items())
    if (verdict != "keep" && count.is_number() && count.get<std::int64_t>() > 0)
      rejected += (rejected.empty() ? "" : ", ") + std::to_string(count.get<std::int64_t>()) + ' ' + verdict;
  if (!rejected.empty()) text += "; left out: " + rejected;
  page.line("store", text);
}

void link_lines(const json& s, Page& page) {
  const json link = s.value("link", json::object());
  std::string text;
  if (link.value("connected", false)) {
    const auto since = page.ago("connected");
    text = since.empty() ? "connected" : "connected " + since;
  } else {
    const std::string state = text_of(link, "state");
    text = state == "refused" ? "refused by the station" : "not connected";
    if (const auto lost = page.ago("disconnected"); !lost.empty()) text += ", lost " + lost;
  }
  text += "; " + bytes_text(s.value("bytes_sent", 0.0)) + " sent, " +
          bytes_text(s.value("bytes_received", 0.0)) + " received";
  page.line("link", text);
  page.line("regions", count_of(s, "pending_regions") + " waiting to be sent");
  text = count_of(s, "labels") + " learnt from";
  if (const auto last = page.ago("last_label"); !last.empty()) text += ", the last came " + last;
  page.line("labels", text);
}

/// Everything that stands in its way, with how long it has.
void trouble_lines(const json& s, Page& page) {
  const json trouble = s.value("trouble", json::object());
  for (const auto& [owner, why] : trouble.items())
    page.line("TROUBLE", owner + ": " + why.get<std::string>() + page.since("trouble_" + owner));
  const json none = json::object();
  const std::array<std::tuple<const char*, std::string, const char*>, 3> messages{{
      {"loop", text_of(s, "message"), "message"},
      {"camera", text_of(s.value("camera", none), "message"), "camera_message"},
      {"link", text_of(s.value("link", none), "message"), "link_message"},
  }};
  for (const auto& [who, text, moment] : messages)
    if (!text.empty()) page.line("note", std::string(who) + ": " + text + page.since(moment));
}

void verdict_line(const json& s, Page& page) {
  const std::string verdict = text_of(s, "last_verdict");
  if (verdict.empty()) return;
  char scores[128];
  std::snprintf(scores, sizeof scores,
                " (guard pixels right, mean of classes: live %.1f %%, candidate %.1f %%)",
                100 * s.value("live_score", 0.0), 100 * s.value("candidate_score", 0.0));
  const auto when = page.ago("last_verdict");
  page.line("judged", verdict + (when.empty() ? "" : ", " + when) + scores);
}

}  // namespace

fs::path service_runtime_folder() {
  const fs::path folder = runtime_folder();
  return folder.empty() ? fs::path(kServiceRuntime) : folder;
}

StatusReport judge_status(json content, const Moment& now) {
  StatusReport report;
  const json written = content.value("written", json::object());
  const Process process = process_of(content);
  // In a container a sandboxed service sees another boot id than a shell beside it: the process itself says
  // more.
  const bool this_boot = process == Process::the_very_one || text_of(written, "boot_id") == boot_id();
  const Moment then{written.value("wall_ns", std::int64_t{0}), written.value("boot_ns", std::int64_t{0})};
  report.age_s =
      this_boot ? seconds_between(then, now) : static_cast<double>(now.wall_ns - then.wall_ns) / 1e9;
  if (!content.value("running", false))
    report.life = Life::stopped;
  else if (!this_boot || process == Process::gone)
    report.life = Life::killed;
  else
    report.life = report.age_s > kLongSilence ? Life::silent : Life::running;
  report.content = std::move(content);
  // A process that is gone has no connection, whatever it said last.
  const bool lives = report.life == Life::running || report.life == Life::silent;
  if (!lives && report.content.contains("link")) report.content["link"]["connected"] = false;
  return report;
}

StatusReport read_status(const fs::path& state) {
  const fs::path runtime_file = service_runtime_folder() / "status.json";
  const fs::path state_file = (state.empty() ? fs::path(kServiceState) : state) / "status.json";
  std::optional<json> best;
  fs::path best_file;
  std::string problem;
  for (const auto& file : {runtime_file, state_file}) {
    try {
      auto content = read_one(file);
      if (!content) continue;
      // In /run is the service's status; a daemon that was started by hand with another folder is not the
      // service.
      const bool other = !state.empty() && file == runtime_file &&
                         text_of(*content, "state") != fs::absolute(state).lexically_normal().string();
      if (other || (best && written_ns(*best) >= written_ns(*content))) continue;
      best = std::move(content);
      best_file = file;
    } catch (const Error& error) {
      if (problem.empty() || file == state_file) problem = error.what();
    }
  }
  if (!best && !problem.empty()) throw Error(problem);
  if (!best)
    throw Error("no " + state_file.string() + (state.empty() ? " and no " + runtime_file.string() : "") +
                ": the daemon has not run with this state folder; " +
                (state.empty() ? "start it (systemctl start driftloopd), or name its folder with --state DIR"
                               : "is --state right?"));
  StatusReport report = judge_status(std::move(*best), this_moment());
  report.file = best_file;
  return report;
}

double seconds_since(const StatusReport& report, const char* what) {
  const auto& s = report.content;
  const auto moments = s.find("moments");
  if (moments == s.end() || !moments->contains(what)) return -1;
  return std::max(0.0, (*moments)[what].value("age_s", 0.0) + report.age_s);
}

std::string status_text(const StatusReport& report) {
  const json& s = report.content;
  Page page(report);
  std::string doing = text_of(s, "phase") + page.since("phase") + ", round " + count_of(s, "round") +
                      ", step " + count_of(s, "step");
  if (const std::string device = text_of(s, "device"); !device.empty()) doing += ", on " + device;
  const bool lives = report.life == Life::running || report.life == Life::silent;
  page.line(lives ? "doing" : "was doing", doing);
  trouble_lines(s, page);
  camera_lines(s, page);
  link_lines(s, page);
  verdict_line(s, page);
  if (const json disk = s.value("disk", json::object()); !disk.empty())
    page.line("disk", bytes_text(disk.value("free_bytes", 0.0)) + " free of " +
                          bytes_text(disk.value("total_bytes", 0.0)) + " (" + text_of(s, "state") + ')');
  return head_text(report) + '\n' + page.take();
}

json status_json(const StatusReport& report) {
  constexpr std::array kLives{"running", "silent", "stopped", "killed"};
  json j = report.content;
  const bool lives = report.life == Life::running || report.life == Life::silent;
  j["running"] = lives;
  j["life"] = kLives[static_cast<std::size_t>(report.life)];
  j["age_s"] = report.age_s;
  if (j.contains("moments"))
    for (auto& [what, moment] : j["moments"].items()) moment["age_s"] = seconds_since(report, what.c_str());
  return j;
}

}  // namespace driftloop::daemon
