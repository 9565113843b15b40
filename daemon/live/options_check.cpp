#include "daemon/live/options_check.h"

#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <sstream>

#include "adapt/data/dataset.h"
#include "adapt/engine.h"
#include "adapt/preprocessing.h"
#include "capture/pipeline_text.h"
#include "config/check.h"
#include "config/layers.h"
#include "daemon/live/manifest.h"
#include "daemon/live/region_codec.h"
#include "daemon/live/start_weights.h"
#include "daemon/warm_up.h"
#include "uplink/keys.h"
#include "uplink/region.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

using Level = Finding::Level;
constexpr std::int64_t kLeastRoom = 1'048'576;  // of the frame store, beside its ballast

void fail(Findings& found, const std::string& key, const std::string& text) {
  found.push_back({Level::fail, key, text, {}});
}
void warn(Findings& found, const std::string& key, const std::string& text) {
  found.push_back({Level::warn, key, text, {}});
}

/// Runs `look`; an Error is a failure of the key.
template <class Look>
bool try_to(Findings& found, const char* key, const Look& look) {
  try {
    look();
    return true;
  } catch (const Error& error) {
    fail(found, key, error.what());
    return false;
  }
}

bool all_digits(const std::string& text) {
  return !text.empty() && text.size() <= 9 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

bool is_device_name(const std::string& name) {
  constexpr std::string_view kIndexed = "cuda:";
  return name == "auto" || name == "cpu" || name == "cuda" ||
         (name.starts_with(kIndexed) && all_digits(name.substr(kIndexed.size())));
}

bool is_endpoint(const std::string& text) {
  constexpr std::string_view kScheme = "tcp://";
  const auto colon = text.rfind(':');
  if (!text.starts_with(kScheme) || colon <= kScheme.size()) return false;
  const std::string host = text.substr(kScheme.size(), colon - kScheme.size()), port = text.substr(colon + 1);
  const bool plain = host.find_first_of(" \t/*") == std::string::npos;
  return plain && all_digits(port) && std::stoi(port) >= 1 && std::stoi(port) <= 65'535;
}

std::string user_name(uid_t user) {
  const passwd* entry = ::getpwuid(user);
  return entry ? entry->pw_name : std::to_string(user);
}

std::string this_user() {
  return user_name(::geteuid());
}

// ---- against the machine ----

void check_camera(const DaemonOptions& o, Findings& found) {
  if (o.camera.uri.empty()) return;
  // Made and not read: the text is parsed and every element of it made, the device stays closed.
  if (!try_to(found, "camera.uri", [&] { capture::open_source(o.camera); })) return;
  const capture::Uri uri = capture::parse_uri(o.camera.uri);
  if (uri.scheme != "v4l2" && uri.scheme != "file") return;
  const char* missing = uri.scheme == "v4l2"
                            ? " is not there now: is the camera plugged in? It is tried again and again"
                            : " is not there";
  if (::access(uri.path.c_str(), R_OK) == 0) return;
  if (errno == ENOENT)
    warn(found, "camera.uri", uri.path + missing);
  else
    warn(found, "camera.uri",
         "the user " + this_user() + " may not read " + uri.path +
             ": the service's user needs the group that owns it (ls -l " + uri.path + ')');
}

void check_device(const DaemonOptions& o, Findings& found) {
  if (is_device_name(o.engine.device))
    try_to(found, "engine.device", [&] { adapt::device_text(adapt::runs_on(o.engine)); });
}

std::vector<std::string> lines_of(const adapt::ModelOptions& model) {
  std::istringstream text(config::to_yaml(model));
  std::vector<std::string> lines;
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

bool has_model(const DaemonOptions& o) {
  std::error_code error;
  const fs::directory_iterator slots(fs::path(o.state) / "model", error);
  return !error && slots != fs::directory_iterator();
}

void check_weights(const DaemonOptions& o, Findings& found) {
  if (o.loop.weights.empty()) return;
  adapt::ModelSpec saved;
  if (!try_to(found, "loop.weights", [&] { saved = adapt::Model::spec_in(o.loop.weights); })) return;
  const auto theirs = lines_of(saved.net), ours = lines_of(o.engine.model);
  for (std::size_t i = 0; i < std::min(theirs.size(), ours.size()); ++i)
    if (theirs[i] != ours[i] && !ours[i].starts_with("dropout"))
      fail(found, "loop.weights",
           o.loop.weights + " is of a net with " + theirs[i] + ", and engine.model has " + ours[i] +
               ": set engine.model to that of the file, or give another file");
  if (saved.work_long_side_px != o.engine.input.work_long_side_px)
    warn(found, "engine.input.work_long_side_px",
         "is " + std::to_string(o.engine.input.work_long_side_px) + ", and " + o.loop.weights +
             " was trained at " + std::to_string(saved.work_long_side_px) +
             ": it sees things at another size than it learnt them");
  const std::string notice = start_weights_notice(o.state, o.loop.weights);
  if (!notice.empty() && has_model(o)) warn(found, "loop.weights", notice);
}

void check_start(const DaemonOptions& o, Findings& found) {
  if (!o.loop.replay.empty()) try_to(found, "loop.replay", [&] { adapt::open_dataset(o.loop.replay, ""); });
  const bool warms_up = !o.loop.replay.empty() && o.loop.warmup_steps > 0;
  if (!o.loop.start.empty() && o.loop.weights.empty() && warms_up && !has_model(o))
    try_to(found, "loop.start", [&] { find_start(o.loop.start); });
  if (o.loop.weights.empty() && !warms_up && !o.state.empty() && !has_model(o))
    fail(found, "loop.weights",
         "there is no model to start from: set it to the .safetensors file of a trained model, or "
         "loop.replay and "
         "loop.warmup_steps to train the first one here");
}

void check_onnx(const DaemonOptions& o, Findings& found) {
  try_to(found, "loop.live_onnx", [&] {
    const auto onnx = live_onnx(o.loop);
    if (onnx && std::min(onnx->size_px.width, onnx->size_px.height) < adapt::kLeastSidePx)
      fail(found, "loop.live_onnx",
           o.loop.live_onnx + " is too small: both sides must be " + std::to_string(adapt::kLeastSidePx) +
               " px at least");
  });
}

void check_secret_key(const DaemonOptions& o, Findings& found) {
  const std::string& file = o.link.secret_key_file;
  if (file.empty()) {
    warn(found, "link.secret_key_file",
         "is not set: the service is given its key by systemd ($CREDENTIALS_DIRECTORY); a daemon started by "
         "hand needs "
         "it (make one with: driftloop keygen)");
    return;
  }
  if (::access(file.c_str(), R_OK) != 0 && (errno == EACCES || errno == EPERM)) {
    warn(found, "link.secret_key_file",
         "the user " + this_user() + " may not read " + file +
             ", so it was not looked at; that is right for a service's key (look as root: sudo)");
    return;
  }
  uplink::KeyPair keys;
  if (!try_to(found, "link.secret_key_file", [&] { keys = uplink::load_keys(file); })) return;
  try {
    if (uplink::load_public_key(o.link.station_public_key) == keys.public_z85)
      fail(found, "link.station_public_key",
           "is this vehicle's own key: take the station's .pub file (on the station, where its .key lies)");
  } catch (const Error&) {
    // A bad station key is a finding of its own.
  }
}

void check_state(const DaemonOptions& o, Findings& found) {
  if (o.state.empty()) return;
  const fs::path folder = existing_part(o.state);
  struct stat info {};
  if (::stat(folder.c_str(), &info) == 0 && !S_ISDIR(info.st_mode)) {
    fail(found, "state", folder.string() + " is a file, and " + o.state + " must be a folder: name another");
    return;
  }
  if (::access(folder.c_str(), W_OK | X_OK) == 0) return;
  if (errno == EACCES && ::geteuid() != 0)
    warn(found, "state",
         "the user " + this_user() + " may not write into " + folder.string() + " (it is " +
             user_name(info.st_uid) + "'s); the service's user must");
  else
    fail(found, "state", folder.string() + " cannot be written: " + std::strerror(errno));
}

std::uintmax_t bytes_below(const fs::path& folder) {
  std::uintmax_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, fs::directory_options::skip_permission_denied, error), end;
       !error && it != end; it.increment(error)) {
    std::error_code gone;
    const auto size = it->is_regular_file(gone) ? it->file_size(gone) : 0;
    if (!gone) bytes += size;
  }
  return bytes;
}

void check_quota(const DaemonOptions& o, Findings& found) {
  if (o.state.empty()) return;
  std::error_code error;
  const auto space = fs::space(existing_part(o.state), error);
  if (error) return;
  const auto quota = static_cast<std::uintmax_t>(o.store.quota_bytes);
  const std::uintmax_t room = space.available + bytes_below(o.store.folder);
  if (quota <= room) return;
  warn(found, "store.quota_bytes",
       "is " + std::to_string(quota >> 20) + " MiB, and the disk of " + o.state + " has room for " +
           std::to_string(room >> 20) +
           " MiB: it will be full before the quota is; lower it or free some space");
}

void check_rounds(const DaemonOptions& o, Findings& found) {
  if (first_asking(o.loop.rounds) == nullptr)
    warn(found, "loop.rounds", "ask for nothing: no region is ever asked for, and nothing is learnt");
  else if (!asks(o.loop.rounds.front()) && !o.engine.selftrain.before_labels)
    warn(found, "loop.rounds[0].budget",
         "asks for nothing before there is any label, and engine.selftrain.before_labels is false: the round "
         "passes without training");
  CodecOptions codec;
  codec.context_px = o.loop.context_px;
  codec.format = o.loop.crop_format;
  const double region = expected_bytes(o.engine.acquisition.region_px, codec);
  for (std::size_t i = 0; i < o.loop.rounds.size(); ++i)
    if (const auto bytes = o.loop.rounds[i].budget.bytes; bytes && static_cast<double>(*bytes) < region)
      warn(found, "loop.rounds[" + std::to_string(i) + "].budget.bytes",
           "is " + std::to_string(*bytes) + ", and one region takes about " +
               std::to_string(std::llround(region)) + ": the round asks for nothing");
}

void check_learning(const DaemonOptions& o, Findings& found) {
  if (!o.engine.guard.enabled)
    warn(found, "engine.guard.enabled", "is false: every candidate becomes the live model, also a worse one");
  if (o.engine.selftrain.before_labels)
    warn(found, "engine.selftrain.before_labels",
         "is true: self-training without any label can make the net worse, and nothing would notice");
}

using Check = void (*)(const DaemonOptions&, Findings&);
constexpr std::array<Check, 9> kWorldChecks{check_camera,     check_device, check_weights,
                                            check_start,      check_state,  check_quota,
                                            check_secret_key, check_rounds, check_learning};

}  // namespace

bool any_fails(const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.level == Level::fail; });
}

const char* level_name(Level level) {
  constexpr std::array kNames{"ok", "warn", "fail"};
  return kNames[static_cast<std::size_t>(level)];
}

fs::path existing_part(fs::path path) {
  path = fs::absolute(path);
  std::error_code error;
  while (path.has_relative_path() && !fs::exists(path, error)) path = path.parent_path();
  return path;
}

Findings find_contradictions(const DaemonOptions& o) {
  Findings found;
  const LoopOptions& loop = o.loop;
  if (!uplink::is_vehicle_id(o.vehicle_id))
    fail(found, "vehicle_id",
         "vehicle_id '" + o.vehicle_id + "' must be 1 to 64 characters of [A-Za-z0-9._-]: set vehicle_id");
  if (o.link.vehicle_id != o.vehicle_id)
    fail(found, "link.vehicle_id",
         "vehicle_id is '" + o.vehicle_id + "' and link.vehicle_id is '" + o.link.vehicle_id +
             "': leave link.vehicle_id out");
  if (o.state.empty())
    fail(found, "state",
         "there is no state folder: set state, or start the service by systemd, which gives one");
  if (o.camera.uri.empty())
    fail(found, "camera.uri", "there is no camera: set camera.uri, for example v4l2:///dev/video0");
  if (!is_endpoint(o.link.station_endpoint))
    fail(found, "link.station_endpoint",
         "'" + o.link.station_endpoint +
             "' is no address: write link.station_endpoint as tcp://host:port, for example "
             "tcp://station.example:5555");
  if (o.link.station_public_key.empty())
    fail(found, "link.station_public_key",
         "the station is not known: set link.station_public_key to its key or its .pub file");
  else
    try_to(found, "link.station_public_key", [&] { uplink::load_public_key(o.link.station_public_key); });
  if (!is_device_name(o.engine.device))
    fail(found, "engine.device",
         "'" + o.engine.device + "' is no device: set engine.device to cpu, cuda, cuda:1 or auto");
  if (o.gate.min_brightness > o.gate.max_brightness)
    fail(found, "gate.min_brightness",
         "gate.min_brightness is greater than gate.max_brightness: no frame would pass");
  if (o.store.quota_bytes < o.store.ballast_bytes + kLeastRoom)
    fail(found, "store.quota_bytes",
         "store.quota_bytes " + std::to_string(o.store.quota_bytes) +
             " leaves less than 1 MiB beside the ballast of " + std::to_string(o.store.ballast_bytes) +
             ": raise it, or lower store.ballast_bytes");
  if (loop.weights.empty() && loop.warmup_steps > 0 && loop.replay.empty())
    fail(found, "loop.warmup_steps", "loop.warmup_steps without loop.replay: there is nothing to warm up on");
  if (!can_encode(loop.crop_format))
    fail(found, "loop.crop_format",
         "the OpenCV of this machine cannot write loop.crop_format '" + loop.crop_format +
             "': set it to jpeg or png");
  for (auto& problem : plan_problems(loop.rounds, PlanOf::vehicle, "loop.rounds"))
    found.push_back(std::move(problem));
  check_onnx(o, found);
  return found;
}

Findings find_problems(const DaemonOptions& options) {
  Findings found = find_contradictions(options);
  for (const auto check : kWorldChecks) check(options, found);
  return found;
}

void check_options(const DaemonOptions& options) {
  const Findings found = find_contradictions(options);
  if (!found.empty()) throw Error(found.front().text);
}

}  // namespace driftloop::daemon
