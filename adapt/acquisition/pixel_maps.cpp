#include "adapt/acquisition/pixel_maps.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <opencv2/core.hpp>

#include "adapt/acquisition/pixel_rows.h"
#include "adapt/acquisition/region_score.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

constexpr int kBandRows = 64;  // of one task: the rows that its first one needs twice do not count

/// As at::upsample_bilinear2d has it, in the same precision: (rounding of a place far right is 1e-5 of a
/// pixel).
Between between(int from, int to, Corners corners) {
  Between axis;
  const bool aligned = corners == Corners::aligned;
  const float scale = aligned ? (to > 1 ? static_cast<float>(from - 1) / static_cast<float>(to - 1) : 0.0F)
                              : static_cast<float>(from) / static_cast<float>(to);
  for (int i = 0; i < to; ++i) {
    const auto at = static_cast<float>(i);
    const float place = aligned ? scale * at : std::max(0.0F, scale * (at + 0.5F) - 0.5F);
    const int left = std::min(static_cast<int>(place), from - 1);
    axis.left.push_back(left);
    axis.right.push_back(std::min(left + 1, from - 1));
    axis.share.push_back(std::clamp(place - static_cast<float>(left), 0.0F, 1.0F));
  }
  return axis;
}

bool in_one_pass(const Prediction& p) {
  return p.logits_chw.defined() && p.logits_chw.is_cpu();
}

/// Runs the pass over all rows of the frame.
void run_pass(const Prediction& p, const PixelTargets& targets) {
  DL_CHECK(p.logits_chw.dim() == 3 && p.logits_chw.numel() > 0 && p.frame_px.area() > 0, p.logits_chw.sizes(),
           p.frame_px);
  const auto logits = p.logits_chw.to(at::kFloat).contiguous();
  const int classes = static_cast<int>(logits.size(0));
  DL_CHECK(classes >= 2 && classes <= 255, classes);
  const int height = static_cast<int>(logits.size(1)), width = static_cast<int>(logits.size(2));
  const LogitsSource source{.logits_chw = logits.const_data_ptr<float>(),
                            .classes = classes,
                            .height = height,
                            .width = width,
                            .rows = between(height, p.frame_px.height, p.corners),
                            .columns = between(width, p.frame_px.width, p.corners)};
  const int tile = std::max(targets.tile_px, 1);
  const int band = (kBandRows + tile - 1) / tile * tile;
  const int rows = p.frame_px.height;
  at::parallel_for(0, (rows + band - 1) / band, 1, [&](std::int64_t from, std::int64_t to) {
    const int first = static_cast<int>(from) * band;
    fill_pixel_rows(source, targets, first, std::min(rows, static_cast<int>(to) * band));
  });
}

at::Tensor map_for(bool wanted, const Prediction& p, at::ScalarType type) {
  return wanted ? at::empty({p.frame_px.height, p.frame_px.width}, type) : at::Tensor();
}

float* floats(const at::Tensor& map) {
  return map.defined() ? map.data_ptr<float>() : nullptr;
}

/// The same from probabilities, on any device.
PixelMaps maps_of(const at::Tensor& prob_chw, Map wanted) {
  PixelMaps maps;
  if (wants(wanted, Map::margin)) {
    const auto best = std::get<0>(prob_chw.topk(2, 0));
    maps.margin_hw = 1 - (best[0] - best[1]);
  }
  if (wants(wanted, Map::predicted | Map::confidence)) {
    const auto [confidence, predicted] = prob_chw.max(0);  // argmax(0) takes five times as long
    maps.confidence_hw = confidence.contiguous();
    maps.class_hw = predicted.to(at::kByte).contiguous();
  }
  if (wants(wanted, Map::entropy)) maps.entropy_hw = normalised_entropy(prob_chw);
  return maps;
}

}  // namespace

at::Tensor probabilities(const Prediction& p) {
  if (p.prob_chw.defined()) return p.prob_chw;
  DL_CHECK(p.logits_chw.defined() && p.logits_chw.dim() == 3, p.frame_px);
  const c10::NoGradGuard no_grad;
  const auto logits = p.logits_chw.to(at::kFloat).unsqueeze(0);
  const bool same = logits.size(2) == p.frame_px.height && logits.size(3) == p.frame_px.width;
  return (same ? logits
               : at::upsample_bilinear2d(logits, {p.frame_px.height, p.frame_px.width},
                                         p.corners == Corners::aligned))
      .squeeze(0)
      .softmax(0);
}

PixelMaps pixel_maps(const Prediction& p, Map wanted) {
  const c10::NoGradGuard no_grad;
  if (!in_one_pass(p)) return maps_of(probabilities(p), wanted);
  PixelMaps maps{.class_hw = map_for(wants(wanted, Map::predicted), p, at::kByte),
                 .confidence_hw = map_for(wants(wanted, Map::confidence), p, at::kFloat),
                 .entropy_hw = map_for(wants(wanted, Map::entropy), p, at::kFloat),
                 .margin_hw = map_for(wants(wanted, Map::margin), p, at::kFloat)};
  run_pass(p, {.class_hw = maps.class_hw.defined() ? maps.class_hw.data_ptr<std::uint8_t>() : nullptr,
               .confidence_hw = floats(maps.confidence_hw),
               .entropy_hw = floats(maps.entropy_hw),
               .entropy_scale = static_cast<float>(1 / std::log2(static_cast<double>(p.logits_chw.size(0)))),
               .margin_hw = floats(maps.margin_hw)});
  return maps;
}

at::Tensor tile_classes(const Prediction& p, const TileGrid& grid) {
  const c10::NoGradGuard no_grad;
  if (!in_one_pass(p)) return tile_classes(probabilities(p), grid);
  DL_CHECK(grid.size() > 0 && grid.frame == p.frame_px, grid.frame, p.frame_px);
  const auto classes = at::empty({grid.size()}, at::kByte);
  run_pass(p, {.tile_px = grid.tile_px,
               .tile_columns = grid.columns,
               .tile_class = classes.data_ptr<std::uint8_t>()});
  return classes.to(at::kLong);
}

}  // namespace driftloop::adapt
