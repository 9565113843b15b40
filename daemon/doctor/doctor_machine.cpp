// The checks of `driftloop doctor` that need no settings of ours: plug-ins, GPU, learner, disk, clock,
// devices.
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <opencv2/core.hpp>
#include <set>
#include <vector>

#include "adapt/engine.h"
#include "capture/gst_source.h"
#include "capture/pipeline_text.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/doctor/doctor.h"
#include "daemon/live/options_check.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
using Level = Finding::Level;

constexpr std::uintmax_t kLeastFree = 256 << 20;  // a saved state of a mid-sized net beside the old one
constexpr const char* kServiceUser = "driftloop";

double seconds_from(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

std::string mib(std::uintmax_t bytes) {
  return std::to_string(bytes >> 20) + " MiB";
}

std::vector<fs::path> gpu_nodes() {
  std::vector<fs::path> nodes;
  for (const char* node : {"/dev/nvidia0", "/dev/nvhost-gpu", "/dev/nvgpu/igpu0", "/dev/nvmap"})
    if (std::error_code error; fs::exists(node, error)) nodes.emplace_back(node);
  return nodes;
}

/// No frames: the model is only to answer once.
std::set<gid_t> groups_of(const passwd& user) {
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  if (::getgrouplist(user.pw_name, user.pw_gid, groups.data(), &count) < 0) return {user.pw_gid};
  return {groups.begin(), groups.begin() + count};
}

}  // namespace

void look_at_plugins(const Patient&, Findings& found) {
  std::string missing;
  for (const char* element : {"appsink", "videoconvert", "videoscale", "videorate", "jpegdec", "pngdec"})
    if (!capture::gst_has_element(element)) {
      missing = element;
      found.push_back({Level::fail, "plugin", "GStreamer has no element '" + missing + "'",
                       capture::gst_package_advice(element)});
    }
  if (missing.empty())
    found.push_back({Level::ok, "plugin", "GStreamer has the elements that every source needs", {}});
}

void look_at_gpu(const Patient& p, Findings& found) {
  const int seen = adapt::visible_gpus();
  const auto nodes = gpu_nodes();
  if (seen > 0) {
    found.push_back(
        {Level::ok, "gpu", adapt::device_text(adapt::runs_on(p.options.engine)) + " is used", {}});
    return;
  }
  if (p.options.engine.device == "cpu" || nodes.empty()) {
    found.push_back({Level::ok,
                     "gpu",
                     nodes.empty() ? "there is none: the learner works on the CPU, some ten times slower"
                                   : "there is one, and engine.device is cpu",
                     {}});
    return;
  }
  for (const auto& node : nodes)
    if (::access(node.c_str(), R_OK | W_OK) != 0) {
      found.push_back({Level::fail, "gpu",
                       "this user may not use " + node.string() + ": " + std::strerror(errno),
                       "sudo usermod -aG video,render \"$USER\", then log in again"});
      return;
    }
  found.push_back({Level::warn, "gpu",
                   "there is one (" + nodes.front().string() + "), but " + adapt::learner_text(),
                   "scripts/setup.sh --cuda and build again; on a driver newer than LibTorch: nvidia-smi"});
}

void look_at_learner(const Patient& p, Findings& found) {
  adapt::RunsOn where = adapt::runs_on(p.options.engine);
  if (p.failed("engine.device")) where.device = "cpu";
  adapt::ModelSpec spec;
  spec.net.width = 0.0625;  // the smallest: does it compute at all?
  const auto start = Clock::now();
  const cv::Mat label = adapt::Model(spec, where, 1).label(cv::Mat(64, 96, CV_8UC3, cv::Scalar(90, 120, 60)));
  if (label.size() != cv::Size(96, 64)) throw Error("a small net gave an answer of the wrong size");
  char took[32];
  std::snprintf(took, sizeof took, "%.1f s", seconds_from(start));
  found.push_back(
      {Level::ok,
       "libtorch",
       adapt::learner_text() + "; a small net answered on " + adapt::device_text(where) + " after " + took,
       {}});
}

void look_at_disk(const Patient& p, Findings& found) {
  const fs::path folder = existing_part(p.options.state);
  struct statvfs info {};
  if (::statvfs(folder.c_str(), &info) != 0)
    throw Error("cannot look at the disk of " + folder.string() + ": " + std::strerror(errno));
  const std::uintmax_t free = std::uintmax_t{info.f_bavail} * info.f_frsize,
                       total = std::uintmax_t{info.f_blocks} * info.f_frsize;
  const std::string room = mib(free) + " of " + mib(total) + " free in " + folder.string();
  if ((info.f_flag & ST_RDONLY) != 0)
    found.push_back({Level::fail, "disk", folder.string() + " is mounted read-only",
                     "dmesg says whether the disk has errors; mount -o remount,rw"});
  else if (free < kLeastFree)
    found.push_back({Level::fail, "disk", "only " + room + ": a saved state may not fit",
                     "free some space, or put the state on another disk (docs/install.md)"});
  else if (info.f_files > 0 && info.f_favail < 1000)
    found.push_back(
        {Level::fail, "disk",
         "only " + std::to_string(info.f_favail) + " more files can be made in " + folder.string(),
         "delete files: each frame is one"});
  else
    found.push_back({Level::ok, "disk", room, {}});
  if (::access(folder.c_str(), W_OK | X_OK) != 0) return;  // whose it is, the settings' findings say
  const auto start = Clock::now();
  const fs::path trial = folder / (".doctor" + std::to_string(::getpid()));
  try {
    config::write_durably(trial, std::string(4096, 'x'));
  } catch (const Error& error) {
    found.push_back({Level::fail, "disk", error.what(), "free some space, or look at the disk (dmesg)"});
  }
  std::error_code ignored;
  fs::remove(trial, ignored);
  if (const double took = seconds_from(start); took > 1)
    found.push_back({Level::warn, "disk", "a file of 4 kB took " + age_text(took) + " to be safe on it",
                     "a slow or dying card; labels wait for it"});
}

void look_at_clock(const Patient&, Findings& found) {
  timex state{};
  const int result = ::adjtimex(&state);
  const std::string now = wall_text(this_moment().wall_ns);
  struct stat program {};
  const bool before_build = ::stat("/proc/self/exe", &program) == 0 &&
                            this_moment().wall_ns / 1'000'000'000 + 86'400 < program.st_mtim.tv_sec;
  if (before_build)
    found.push_back({Level::fail, "clock", "it shows " + now + ", before this program was built",
                     "sudo timedatectl set-ntp true, or set it by GPS; frames carry this time"});
  else if (result < 0)
    found.push_back({Level::warn,
                     "clock",
                     std::string("whether it is synchronised cannot be told: ") + std::strerror(errno) +
                         "; it shows " + now,
                     {}});
  else if (result == TIME_ERROR || (state.status & STA_UNSYNC) != 0)
    found.push_back({Level::warn, "clock", "it shows " + now + " and nobody synchronises it",
                     "sudo timedatectl set-ntp true, or chrony with the vehicle's GPS"});
  else
    found.push_back({Level::ok, "clock", "synchronised; it shows " + now, {}});
}

/// Whether the service's user, with the groups that its unit gives it, may open the devices.
void look_at_permissions(const Patient& p, Findings& found) {
  std::vector<fs::path> nodes = gpu_nodes();
  if (std::error_code error; p.options.camera.uri.starts_with("v4l2://"))
    if (const fs::path camera = capture::parse_uri(p.options.camera.uri).path; fs::exists(camera, error))
      nodes.push_back(camera);
  const passwd* service = ::getpwnam(kServiceUser);
  std::set<gid_t> groups;
  if (service != nullptr) groups = groups_of(*service);
  for (const char* given : {"video", "render"})  // SupplementaryGroups= of the unit
    if (const ::group* entry = ::getgrnam(given); service != nullptr && entry != nullptr)
      groups.insert(entry->gr_gid);
  bool good = true;
  for (const auto& node : nodes) {
    struct stat info {};
    if (::stat(node.c_str(), &info) != 0) continue;
    const bool may = service == nullptr ? ::access(node.c_str(), R_OK | W_OK) == 0
                                        : (info.st_mode & S_IROTH) != 0 ||
                                              ((info.st_mode & S_IRGRP) != 0 && groups.contains(info.st_gid));
    if (may) continue;
    good = false;
    const ::group* owner = ::getgrgid(info.st_gid);
    const std::string group = owner ? owner->gr_name : std::to_string(info.st_gid);
    found.push_back({Level::fail, "permissions",
                     std::string("the user ") + (service ? kServiceUser : "you are") + " may not open " +
                         node.string() + " (group " + group + ')',
                     service ? "sudo systemctl edit driftloopd: [Service] SupplementaryGroups=" + group
                             : "sudo usermod -aG " + group + " \"$USER\", then log in again"});
  }
  if (good)
    found.push_back({Level::ok,
                     "permissions",
                     nodes.empty() ? "no device needs any" : "camera and GPU devices can be opened",
                     {}});
}

}  // namespace driftloop::daemon
