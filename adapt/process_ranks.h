// Ranks that are processes, on one machine or several, over LibTorch's own c10d: Gloo between CPUs, NCCL
// between GPUs where the build has it. No LibTorch in this header.
#pragma once
#include <chrono>
#include <memory>
#include <string>

#include "adapt/ranks.h"

namespace driftloop::adapt {

/// Where the processes of a run meet, as torchrun and its like hand it to each of them.
struct Rendezvous {
  int rank = 0;
  int count = 1;
  std::string address = "127.0.0.1";  // of the host of rank 0
  int port = 29500;                   // that rank 0 listens on
  std::string device = "cpu";         // of this process: "cpu", "cuda:1"
  /// How long one waits for the others, when they meet and in every call: others may be scoring a split.
  std::chrono::seconds patience = std::chrono::hours(2);
};

/// Waits until all have come. Throws Error (they did not, the port is taken, this build has no c10d).
std::unique_ptr<Ranks> join_ranks(const Rendezvous& meeting);

}  // namespace driftloop::adapt
