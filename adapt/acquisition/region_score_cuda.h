// The GPU side of region_score.h, in plain pointers: neither the caller nor the .cu needs the other's
// headers.
#pragma once
#include <cstdint>

namespace driftloop::adapt {

/// Everything is device memory of the current device; maps are dense, row by row. The geometry is
/// WindowGrid's.
struct RegionScoreJob {
  const float* prob_chw;
  int classes, height, width;
  int side, before, out_height, out_width;
  std::uint8_t* class_hw;  // scratch, height x width: the most probable class
  float* entropy_hw;       // scratch, height x width: H / log C
  float* impurity;         // out, out_height x out_width each
  float* uncertainty;
  float* score;
};

/// Queues the kernels on `stream` (a cudaStream_t) and returns without waiting. Throws Error when a launch is
/// refused.
void region_score_cuda(const RegionScoreJob& job, void* stream);

}  // namespace driftloop::adapt
