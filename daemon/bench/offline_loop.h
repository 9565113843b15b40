// The loop without a vehicle: the same engine, a data set as pool and its labels as the lab. One training of
// a benchmark, with the arms that share it.
#pragma once
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>

#include "adapt/engine.h"
#include "daemon/bench/offline_options.h"
#include "daemon/report/report.h"

namespace driftloop::daemon {

/// Where the warm-up leaves its weights in the folder of a run; every arm starts from there.
inline constexpr const char* kSourceWeights = "source.safetensors";

/// `done` of `total` training steps of the warm-up; of an arm too, where what its rounds do besides
/// (choosing, scoring) counts as so many steps as take as long.
using StepProgress = std::function<void(int done, int total)>;

/// Trains on the source and writes `weights`, going on where an earlier call was stopped; does nothing when
/// the file is there. Throws Error, also when `stop` ended it.
void run_warmup(const RunOptions& options, std::uint64_t seed, const std::filesystem::path& weights,
                std::stop_token stop, const StepProgress& progress,
                const adapt::Ranks& ranks = adapt::Ranks::alone());

/// Runs arms that share a training (trainings()) in the run's folder `out`, from the weights there, going on
/// where an earlier call was stopped or, killed, last saved its state. Writes model.safetensors and the part
/// report.json into each arm's folder, the state into that of the first. False when `stop` ended it early.
/// Of several ranks, which all call it with the same folder, the first scores and writes. Throws Error.
bool run_training(const RunOptions& options, std::uint64_t seed, const std::vector<std::string>& arms,
                  const std::filesystem::path& out, std::stop_token stop, const StepProgress& progress,
                  const adapt::Ranks& ranks = adapt::Ranks::alone());

/// mIoU and per-class IoU into the fields of a round.
void fill_scores(const adapt::Evaluation& evaluation, Round& round);

}  // namespace driftloop::daemon
