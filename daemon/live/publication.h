// The live model as others on the vehicle read it:  <state>/live/model.safetensors  and
// <state>/live/manifest.json. `live` is a link that is replaced in one step to a folder that never changes:
// whoever resolves it once reads a model and the manifest that belongs to it. The model before stays until
// the next publication, for who still reads it.
#pragma once
#include <chrono>
#include <filesystem>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stop_token>
#include <string>

namespace driftloop::daemon {

class Publication {
 public:
  /// `state` is the daemon's folder; nothing is made before publish().
  explicit Publication(std::filesystem::path state) : state_(std::move(state)) {}

  std::filesystem::path folder() const { return state_ / "live"; }
  std::filesystem::path weights() const { return folder() / "model.safetensors"; }
  std::filesystem::path manifest() const { return folder() / "manifest.json"; }

  /// The round of the published model; nothing when none is, or what is there is not what its manifest says.
  std::optional<int> round() const;

  /// Puts a file where it is told to, durably.
  using Write = std::function<void(const std::filesystem::path&)>;
  /// Publishes what `write_weights` and, unless it is empty, `write_onnx` write. `about` is an object with
  /// "round", and with an object "onnx" where there is such a file; file names, sizes, SHA-256 and format are
  /// added. Durable when it returns. Throws Error (disk full): what was live stays live.
  void publish(nlohmann::json about, const Write& write_weights, const Write& write_onnx = {});

  /// Whether `hook` has run for what is published now: it runs again after a kill in between.
  bool hook_done() const;
  enum class Hook { succeeded, failed, stopped };
  /// Runs `command` by /bin/sh with DRIFTLOOP_LIVE (the folder) and DRIFTLOOP_ROUND set, its output in
  /// hook.log; kills it after `at_most` (`failed`) or at a stop (`stopped`). `alive` is called several times
  /// a second. `words`: its last ones.
  Hook run_hook(const std::string& command, std::chrono::seconds at_most, const std::stop_token& stop,
                const std::function<void()>& alive, std::string& words);

 private:
  std::filesystem::path shelf() const { return state_ / "published"; }
  std::filesystem::path hook_mark() const { return shelf() / "hook_done"; }
  bool whole() const;
  void forget_older() const;

  std::filesystem::path state_;
};

}  // namespace driftloop::daemon
