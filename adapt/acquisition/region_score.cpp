#include "adapt/acquisition/region_score.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "adapt/acquisition/pixel_maps.h"
#include "adapt/acquisition/window_impurity.h"
#include "config/check.h"
#ifdef DRIFTLOOP_CUDA_KERNELS
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#include "adapt/acquisition/region_score_cuda.h"
#endif

namespace driftloop::adapt {
namespace {

constexpr double kLogEpsilon = 1e-6;       // RIPU's code adds it inside the logarithm
constexpr std::int64_t kEntropyRows = 32;  // rows whose (C, rows, W) temporaries stay in the cache

void check_arguments(const at::Tensor& prob_chw, int side) {
  DL_CHECK(prob_chw.dim() == 3 && prob_chw.scalar_type() == at::kFloat, prob_chw.sizes());
  DL_CHECK(prob_chw.size(0) >= 2 && prob_chw.size(0) <= 255 && side >= 1 && side <= kMaxRegionPx,
           prob_chw.size(0), side);
}

at::Tensor window_impurity(const at::Tensor& class_hw, int classes, int side, Border border) {
  const WindowGrid grid(class_hw.size(0), class_hw.size(1), side, border);
  auto out = at::empty({grid.out_height, grid.out_width}, at::kFloat);
  if (out.numel() == 0) return out;
  const auto* predicted = class_hw.const_data_ptr<std::uint8_t>();
  auto* result = out.data_ptr<float>();
  at::parallel_for(0, grid.out_height, rows_per_task(grid), [&](std::int64_t from, std::int64_t to) {
    const auto rows = ImpurityRows::from(grid, predicted, classes, from);
    for (std::int64_t y = from; y < to; ++y) {
      float* row = result + y * grid.out_width;
      rows->fill(y, y > from ? row - grid.out_width : nullptr, row);
    }
  });
  return out;
}

RegionScore score_of(const at::Tensor& class_hw, const at::Tensor& entropy_hw, int classes, int side,
                     Border border) {
  RegionScore result;
  result.impurity = window_impurity(class_hw, classes, side, border);
  result.uncertainty = window_mean(entropy_hw, side, border);
  result.score = result.impurity * result.uncertainty;
  return result;
}

#ifdef DRIFTLOOP_CUDA_KERNELS
RegionScore region_score_gpu(const at::Tensor& prob_chw, int side, Border border) {
  const c10::cuda::CUDAGuard guard(prob_chw.device());
  const auto prob = prob_chw.contiguous();
  const WindowGrid grid(prob.size(1), prob.size(2), side, border);
  const auto options = prob.options();
  const auto classes = at::empty({grid.height, grid.width}, options.dtype(at::kByte));
  const auto entropy = at::empty({grid.height, grid.width}, options);
  // One tensor for the three maps: one copy back.
  const auto maps = at::empty({3, grid.out_height, grid.out_width}, options);
  if (maps.numel() > 0) {
    const auto windows = grid.out_height * grid.out_width;
    auto* map = maps.data_ptr<float>();
    region_score_cuda({.prob_chw = prob.const_data_ptr<float>(),
                       .classes = static_cast<int>(prob.size(0)),
                       .height = static_cast<int>(grid.height),
                       .width = static_cast<int>(grid.width),
                       .side = side,
                       .before = static_cast<int>(grid.before),
                       .out_height = static_cast<int>(grid.out_height),
                       .out_width = static_cast<int>(grid.out_width),
                       .class_hw = classes.data_ptr<std::uint8_t>(),
                       .entropy_hw = entropy.data_ptr<float>(),
                       .impurity = map,
                       .uncertainty = map + windows,
                       .score = map + 2 * windows},
                      c10::cuda::getCurrentCUDAStream().stream());
  }
  const auto host = maps.to(at::kCPU);
  return {host[0], host[1], host[2]};
}
#endif

}  // namespace

at::Tensor normalised_entropy(const at::Tensor& prob_chw) {
  DL_CHECK(prob_chw.dim() == 3, prob_chw.sizes());
  const c10::NoGradGuard no_grad;
  const double scale = -1.0 / std::log(static_cast<double>(prob_chw.size(0)));
  const auto rows_entropy = [&](const at::Tensor& p) {
    return (p + kLogEpsilon).log_().mul_(p).sum(0).mul_(scale);
  };
  if (!prob_chw.is_cpu()) return rows_entropy(prob_chw);
  auto out = at::empty({prob_chw.size(1), prob_chw.size(2)}, prob_chw.options());
  for (std::int64_t y = 0; y < prob_chw.size(1); y += kEntropyRows) {
    const auto end = std::min(y + kEntropyRows, prob_chw.size(1));
    out.slice(0, y, end).copy_(rows_entropy(prob_chw.slice(1, y, end)));
  }
  return out;
}

RegionScore region_score_cpu(const at::Tensor& prob_chw, int side, Border border) {
  check_arguments(prob_chw, side);
  const c10::NoGradGuard no_grad;
  const auto prob = prob_chw.to(at::kCPU);
  const auto class_hw =
      std::get<1>(prob.max(0)).to(at::kByte).contiguous();  // argmax(0) takes five times as long
  return score_of(class_hw, normalised_entropy(prob), static_cast<int>(prob.size(0)), side, border);
}

RegionScore region_score(const Prediction& prediction, int side, Border border) {
  if (!prediction.logits_chw.defined() || !prediction.logits_chw.is_cpu())
    return region_score(probabilities(prediction), side, border);
  DL_CHECK(side >= 1 && side <= kMaxRegionPx, side);
  const auto maps = pixel_maps(prediction, Map::predicted | Map::entropy);
  return score_of(maps.class_hw, maps.entropy_hw, static_cast<int>(prediction.logits_chw.size(0)), side,
                  border);
}

at::Tensor score_alone(const Prediction& prediction, int side, Border border) {
  if (!prediction.logits_chw.defined() || !prediction.logits_chw.is_cpu())
    return region_score(prediction, side, border).score;
  DL_CHECK(side >= 1 && side <= kMaxRegionPx, side);
  const auto maps = pixel_maps(prediction, Map::predicted | Map::entropy);
  const int classes = static_cast<int>(prediction.logits_chw.size(0));
  const WindowGrid grid(maps.class_hw.size(0), maps.class_hw.size(1), side, border);
  auto out = at::empty({grid.out_height, grid.out_width}, at::kFloat);
  if (out.numel() == 0) return out;
  const auto* predicted = maps.class_hw.const_data_ptr<std::uint8_t>();
  const auto* entropy = maps.entropy_hw.const_data_ptr<float>();
  auto* result = out.data_ptr<float>();
  at::parallel_for(0, grid.out_height, rows_per_task(grid), [&](std::int64_t from, std::int64_t to) {
    const auto impurities = ImpurityRows::from(grid, predicted, classes, from);
    MeanRows uncertainties(grid, entropy, from);
    std::vector<float> above(static_cast<std::size_t>(grid.out_width)), impurity(above), uncertainty(above);
    for (std::int64_t y = from; y < to; ++y) {  // all of a row is still in the nearest cache
      impurities->fill(y, y > from ? above.data() : nullptr, impurity.data());
      uncertainties.fill(y, uncertainty.data());
      float* score = result + y * grid.out_width;
      for (std::size_t x = 0; x < impurity.size(); ++x) score[x] = impurity[x] * uncertainty[x];
      impurity.swap(above);
    }
  });
  return out;
}

RegionScore region_score(const at::Tensor& prob_chw, int side, Border border) {
  check_arguments(prob_chw, side);
#ifdef DRIFTLOOP_CUDA_KERNELS
  if (prob_chw.is_cuda()) return region_score_gpu(prob_chw, side, border);
#endif
  return region_score_cpu(prob_chw, side, border);
}

}  // namespace driftloop::adapt
