#include "adapt/acquisition/cosine_kmeans.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "config/check.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {

constexpr std::int64_t kBlockRows = 8192;  // x 1024 centres x 4 bytes = 32 MB of similarities at a time

at::Tensor unit_rows(const at::Tensor& rows) {
  return rows / rows.norm(2, 1, true).clamp_min(1e-12);
}

/// Distinct rows, each draw by weight: the `count` smallest of the exponential clocks -log(u) / weight
/// (Efraimidis and Spirakis 2006).
at::Tensor drawn_rows(const at::Tensor& rows, std::int64_t count, const KmeansOptions& options) {
  const auto weight_n =
      options.weight_n.defined() ? options.weight_n.cpu().contiguous() : at::ones({rows.size(0)}, at::kFloat);
  const auto* weight = weight_n.const_data_ptr<float>();
  config::Random rng(options.seed);
  std::vector<std::pair<double, std::int64_t>> clock;
  for (std::int64_t i = 0; i < rows.size(0); ++i)
    clock.emplace_back(-std::log1p(-static_cast<double>(config::unit_float(rng.next()))) / weight[i], i);
  std::nth_element(clock.begin(), clock.begin() + (count - 1), clock.end());
  std::vector<std::int64_t> drawn;
  for (std::int64_t i = 0; i < count; ++i) drawn.push_back(clock[static_cast<std::size_t>(i)].second);
  std::sort(drawn.begin(), drawn.end());
  return rows.index_select(0, at::tensor(drawn, at::kLong).to(rows.device()));
}

/// Adds every row of the block to its cluster's sum.
void accumulate(at::Tensor& sums, const at::Tensor& cluster, const at::Tensor& block) {
  if (block.is_cpu()) {
    sums.index_add_(0, cluster, block);
    return;
  }
  // On a GPU index_add_ adds in no fixed order; a product with the membership matrix is repeatable.
  const auto member =
      at::zeros({block.size(0), sums.size(0)}, block.options()).scatter_(1, cluster.unsqueeze(1), 1.0);
  sums.addmm_(member.t(), block);
}

}  // namespace

at::Tensor cosine_kmeans(const at::Tensor& unit_nd, const KmeansOptions& options) {
  DL_CHECK(unit_nd.dim() == 2 && unit_nd.size(0) > 0 && options.clusters > 0, unit_nd.sizes(),
           options.clusters);
  DL_CHECK(!options.weight_n.defined() || options.weight_n.numel() == unit_nd.size(0), unit_nd.size(0));
  const c10::NoGradGuard no_grad;
  auto centres = drawn_rows(unit_nd, std::min(options.clusters, unit_nd.size(0)), options);
  for (int iteration = 0; iteration < options.iterations; ++iteration) {
    if (options.before_iteration && !options.before_iteration()) break;
    auto sums = at::zeros_like(centres);
    const auto centres_t = centres.t();
    for (std::int64_t n = 0; n < unit_nd.size(0); n += kBlockRows) {
      const auto block = unit_nd.slice(0, n, n + kBlockRows);
      const auto cluster = at::mm(block, centres_t).argmax(1);
      accumulate(sums, cluster,
                 options.weight_n.defined()
                     ? block * options.weight_n.slice(0, n, n + kBlockRows).unsqueeze(1)
                     : block);
    }
    const auto moved = sums.norm(2, 1, true) > 0;
    auto next = at::where(moved, unit_rows(sums), centres);
    const bool settled = at::equal(next, centres);
    centres = std::move(next);
    if (settled) break;
  }
  return centres;
}

Nearest nearest_centre(const at::Tensor& unit_nd, const at::Tensor& centres) {
  const c10::NoGradGuard no_grad;
  Nearest nearest{at::empty({unit_nd.size(0)}, at::kLong), at::empty({unit_nd.size(0)}, at::kFloat)};
  for (std::int64_t n = 0; n < unit_nd.size(0); n += kBlockRows) {
    const auto end = std::min(n + kBlockRows, unit_nd.size(0));
    const auto block = unit_nd.slice(0, n, end).to(centres.device(), at::kFloat);
    const auto [similarity, cluster] = at::mm(block, centres.t()).max(1);
    nearest.similarity.slice(0, n, end).copy_(similarity);
    nearest.cluster.slice(0, n, end).copy_(cluster);
  }
  return nearest;
}

}  // namespace driftloop::adapt
