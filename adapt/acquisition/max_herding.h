// MaxHerding (Bae et al., ECCV 2024): greedy maximal coverage. Of the candidates it takes the one that raises
// the mean over all points of max over what is taken of k(point, taken) the most, with the Gaussian kernel
// k(x, y) = exp(-|x - y|^2 / sigma^2).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <vector>

namespace driftloop::adapt {

struct HerdingProblem {
  at::Tensor point_nd;       // (N, D) unit rows, float: what is to be covered
  at::Tensor candidate_md;   // (M, D) unit rows, float, on the same device
  at::Tensor taken_kd = {};  // (K, D) unit rows: cover already; undefined = none
  double sigma = 1;
  std::int64_t count = 1;                                     // to take
  std::function<bool(std::int64_t candidate)> may_take = {};  // asked when it would be taken
  std::function<bool()> before_step = {};                     // false = stop here
};

/// Candidates in the order they are taken, ties by number; less than `count` where candidates run out. Gains
/// only fall while points are covered (the coverage is submodular), so the last known gain of a candidate
/// bounds its gain, and few are computed anew for each taken one. N x M products of D numbers at the start,
/// and a few N x 32 for each taken one.
std::vector<std::int64_t> max_herding(const HerdingProblem& problem);

}  // namespace driftloop::adapt
