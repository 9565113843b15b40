// The processes that share a run: how many there are and where they meet, from the environment that torchrun
// and its like set, or from the words of the process that started us.
#pragma once
#include <optional>
#include <string>

#include "adapt/process_ranks.h"
#include "daemon/bench/offline_options.h"

namespace driftloop::daemon {

/// From RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT and LOCAL_RANK; nothing without WORLD_SIZE, or where it is
/// 1. Throws Error that names the variable: one is missing, or is not a number in its range.
std::optional<adapt::Rendezvous> meeting_of_environment();

/// The device of the process with this number on its machine: of a run on GPUs that one, else what the
/// settings say. Throws Error when there are fewer GPUs.
std::string device_of(const RunOptions& options, int local_rank);
/// LOCAL_RANK of the environment, or RANK.
int local_rank_of_environment();

/// A port of this machine that nobody listens on now.
int free_port();

}  // namespace driftloop::daemon
