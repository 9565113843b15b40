// manifest.json of a published live model: what a program that runs the model must know. The format is in
// docs/live.md.
#pragma once
#include <nlohmann/json.hpp>
#include <optional>

#include "adapt/model.h"
#include "daemon/live/daemon_options.h"

namespace driftloop::daemon {

/// What is published as ONNX beside the weights; none where loop.live_onnx is empty. Throws Error when that
/// is no size.
std::optional<adapt::OnnxOptions> live_onnx(const LoopOptions& options);

/// `model` is what is published; `record` is the line of rounds.jsonl of the round that made the model; null
/// = the model the vehicle began with.
nlohmann::json manifest_of(const DaemonOptions& options, const adapt::Model& model,
                           const nlohmann::json& record);

}  // namespace driftloop::daemon
