#include "daemon/live/publication.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <vector>

#include "config/check.h"
#include "config/digest.h"
#include "config/durable_file.h"
#include "daemon/child_process.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

constexpr const char* kModel = "model.safetensors";
constexpr const char* kOnnx = "model.onnx";
constexpr const char* kManifest = "manifest.json";
constexpr const char* kFormat = "driftloop-live-model/1";
constexpr std::chrono::milliseconds kHookLook{100};

nlohmann::json read_manifest(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_regular_file(folder / kManifest, error)) return nullptr;
  return nlohmann::json::parse(config::read_file(folder / kManifest), nullptr, /*allow_exceptions=*/false);
}

/// A reader in the service's group may come in; the rest of the state stays the service's own.
void let_group_read(const fs::path& folder) {
  using fs::perms;
  std::error_code ignored;
  fs::permissions(folder, perms::owner_all | perms::group_read | perms::group_exec, ignored);
  for (const char* file : {kModel, kOnnx, kManifest})
    fs::permissions(folder / file, perms::owner_read | perms::owner_write | perms::group_read, ignored);
}

void describe_file(const fs::path& file, nlohmann::json& about) {
  const std::string content = config::read_file(file);
  about["file"] = file.filename().string();
  about["bytes"] = content.size();
  about["sha256"] = config::sha256_hex(content);
}

/// Points `link` to `target` in one step.
void relink(const fs::path& link, const fs::path& target) {
  const fs::path fresh = link.parent_path() / ".live.new";
  std::error_code error;
  fs::remove(fresh, error);
  fs::create_symlink(target, fresh, error);
  if (error) throw Error("cannot make the link " + fresh.string() + ": " + error.message());
  if (fs::is_directory(fs::symlink_status(link, error)))
    fs::remove_all(link, error);  // somebody's own folder of that name
  fs::rename(fresh, link, error);
  if (error) throw Error("cannot replace " + link.string() + ": " + error.message());
  config::sync_folder(link.parent_path());
}

}  // namespace

std::optional<int> Publication::round() const {
  try {
    const auto about = read_manifest(folder());
    if (!about.is_object() || about.value("format", "") != kFormat) return std::nullopt;
    if (!whole()) return std::nullopt;
    return about.at("round").get<int>();
  } catch (const std::exception&) {
    return std::nullopt;  // unreadable: published anew
  }
}

/// Whether the files are what the manifest says.
bool Publication::whole() const {
  const auto about = read_manifest(folder());
  const auto is_as_told = [&](const nlohmann::json& told, const char* file) {
    std::error_code error;
    return fs::is_regular_file(folder() / file, error) &&
           config::sha256_hex(config::read_file(folder() / file)) == told.value("sha256", "");
  };
  return about.is_object() && is_as_told(about, kModel) &&
         (!about.contains("onnx") || is_as_told(about.at("onnx"), kOnnx));
}

void Publication::publish(nlohmann::json about, const Write& write_weights, const Write& write_onnx) {
  char name[32];
  std::snprintf(name, sizeof name, "round_%06d", about.at("round").get<int>());
  const fs::path target = shelf() / name;
  std::error_code ignored;
  const fs::path current = fs::read_symlink(folder(), ignored);
  if (current.filename() == name)
    fs::remove(folder(), ignored);  // damaged: nothing may point at it while it is mended
  fs::remove_all(target, ignored);
  config::make_folder(target);
  write_weights(target / kModel);
  about["format"] = kFormat;
  describe_file(target / kModel, about);
  if (write_onnx) {
    write_onnx(target / kOnnx);
    describe_file(target / kOnnx, about["onnx"]);
  }
  config::write_durably(target / kManifest, about.dump(2) + '\n');
  let_group_read(target);
  fs::permissions(shelf(), fs::perms::owner_all | fs::perms::group_exec, ignored);
  config::sync_folder(shelf());
  relink(folder(), fs::path("published") / name);
  forget_older();
  fs::remove(state_ / "live.safetensors", ignored);  // where version 0.1.0 had it
}

/// All but the live one and the one before it.
void Publication::forget_older() const {
  std::vector<fs::path> rounds;
  for (const auto& entry : fs::directory_iterator(shelf()))
    if (entry.is_directory() && entry.path().filename().string().starts_with("round_"))
      rounds.push_back(entry.path());
  std::sort(rounds.begin(), rounds.end());
  const auto live = fs::read_symlink(folder()).filename();
  std::erase_if(rounds, [&](const fs::path& path) { return path.filename() == live; });
  std::error_code ignored;
  for (std::size_t i = 0; i + 1 < rounds.size(); ++i) fs::remove_all(rounds[i], ignored);
}

bool Publication::hook_done() const {
  const auto about = read_manifest(folder());
  return about.is_object() && fs::exists(hook_mark()) &&
         config::read_file(hook_mark()) == about.value("sha256", "");
}

Publication::Hook Publication::run_hook(const std::string& command, std::chrono::seconds at_most,
                                        const std::stop_token& stop, const std::function<void()>& alive,
                                        std::string& words) {
  const auto about = read_manifest(folder());
  const fs::path log = shelf() / "hook.log";
  std::error_code ignored;
  fs::remove(log, ignored);
  ChildProcess child({"/bin/sh", "-c", "export DRIFTLOOP_LIVE=\"$1\" DRIFTLOOP_ROUND=\"$2\"; eval \"$3\"",
                      "hook", folder().string(), std::to_string(about.value("round", 0)), command},
                     log);
  std::optional<int> status;
  const auto until = std::chrono::steady_clock::now() + at_most;
  while (!status && !stop.stop_requested() && std::chrono::steady_clock::now() < until) {
    status = child.wait(kHookLook);
    alive();
  }
  if (!status) child.kill();
  words = child.last_words();
  if (!status && stop.stop_requested()) return Hook::stopped;
  config::write_durably(hook_mark(), about.value("sha256", ""));
  if (!status) words = "it did not end within " + std::to_string(at_most.count()) + " s";
  return status == 0 ? Hook::succeeded : Hook::failed;
}

}  // namespace driftloop::daemon
