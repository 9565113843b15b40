// k-means on the unit sphere: the nearest centre is the one with the largest dot product.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace driftloop::adapt {

struct KmeansOptions {
  std::int64_t clusters = 1;
  int iterations = 10;
  std::uint64_t seed = 0;
  at::Tensor weight_n =
      {};  // (N) float, > 0, on the rows' device: how much a row counts; undefined = all alike
  std::function<bool()> before_iteration = {};  // false = stop here, with the centres as they are
};

/// Centres (clusters, D), unit length, of the unit rows of `unit_nd` (N, D), float, on their device; clusters
/// is cut to N. Starts from distinct rows drawn by weight; a centre is the weighted mean of its rows; a
/// cluster that loses all its rows keeps its centre. Work goes in blocks, so memory beyond the rows is a few
/// tens of MB. The same rows and seed give the same centres on one machine.
at::Tensor cosine_kmeans(const at::Tensor& unit_nd, const KmeansOptions& options);

struct Nearest {
  at::Tensor cluster;     // (N) int64, CPU
  at::Tensor similarity;  // (N) float, CPU: cosine to that cluster's centre
};

/// The nearest centre of every row; rows may be half precision and on the CPU, they are moved to the centres
/// block by block.
Nearest nearest_centre(const at::Tensor& unit_nd, const at::Tensor& centres);

}  // namespace driftloop::adapt
