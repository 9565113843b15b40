// The first model, from labelled source images alone: both loops may begin with it.
#pragma once
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "adapt/data/dataset.h"
#include "adapt/engine.h"

namespace driftloop::daemon {

struct WarmUp {
  adapt::EngineOptions engine;  // self-training and guard are left out, whatever it says
  std::shared_ptr<const adapt::Dataset> source;
  std::string source_name;
  std::uint64_t seed = 0;
  std::int64_t steps = 0;
  std::filesystem::path weights;                       // where the model goes
  std::string start = {};                              // see find_start(); "" = from nothing
  const adapt::Ranks* ranks = &adapt::Ranks::alone();  // the first writes the weights
};

/// Where published weights to start from are: `start` is a file (.safetensors or .pth) or a name, as
/// "efficientnet_lite0", which is looked for in $DRIFTLOOP_WEIGHTS, where scripts/setup.sh puts it, and where
/// it is installed. Throws Error that names all of them.
std::filesystem::path find_start(const std::string& start);

/// Trains until all steps are done and writes the weights of what was learnt. `train` does them all or a
/// slice and reports it, or nothing at a stop; `resume` may load what an earlier run saved. False at a stop.
/// Throws Error when nothing is learnt.
bool warm_up(const WarmUp& plan, const std::function<void(adapt::Engine&)>& resume,
             const std::function<std::optional<adapt::TrainReport>(adapt::Engine&)>& train);

}  // namespace driftloop::daemon
