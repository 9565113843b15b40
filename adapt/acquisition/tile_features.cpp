#include "adapt/acquisition/tile_features.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <opencv2/core.hpp>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

/// (tiles, cells): the share of each tile's length that lies in each cell, along one axis. Rows sum to 1.
at::Tensor overlap_shares(int tiles, int tile_px, std::int64_t cells, int frame_px) {
  auto shares = at::zeros({tiles, cells}, at::kFloat);
  auto share = shares.accessor<float, 2>();
  const double cell_px = static_cast<double>(frame_px) / static_cast<double>(cells);
  for (int t = 0; t < tiles; ++t)
    for (std::int64_t c = 0; c < cells; ++c) {
      const double begin = std::max<double>(t * tile_px, static_cast<double>(c) * cell_px);
      const double end = std::min<double>((t + 1) * tile_px, static_cast<double>(c + 1) * cell_px);
      if (end > begin) share[t][c] = static_cast<float>((end - begin) / tile_px);
    }
  return shares;
}

/// (channels, rows, columns): the means over the tiles of (channels, H, W).
at::Tensor pooled(const at::Tensor& map_chw, const TileGrid& grid) {
  DL_CHECK(map_chw.dim() == 3 && grid.size() > 0, map_chw.sizes());
  const auto whole =
      map_chw.slice(1, 0, grid.rows * grid.tile_px).slice(2, 0, grid.columns * grid.tile_px).unsqueeze(0);
  return at::avg_pool2d(whole, grid.tile_px).squeeze(0);
}

}  // namespace

at::Tensor tile_features(const at::Tensor& feature_dhw, const TileGrid& grid) {
  DL_CHECK(feature_dhw.dim() == 3 && feature_dhw.numel() > 0, feature_dhw.sizes());
  const auto device = feature_dhw.device();
  const auto feature = feature_dhw.to(at::kFloat);
  const auto unit = feature / feature.norm(2, 0, true).clamp_min(1e-12);
  const auto by_row = overlap_shares(grid.rows, grid.tile_px, unit.size(1), grid.frame.height).to(device);
  const auto by_column =
      overlap_shares(grid.columns, grid.tile_px, unit.size(2), grid.frame.width).to(device);
  const auto mean_drc = at::matmul(by_row, at::matmul(unit, by_column.t()));
  const auto mean = mean_drc.permute({1, 2, 0}).reshape({grid.size(), unit.size(0)});
  return mean / mean.norm(2, 1, true).clamp_min(1e-12);
}

at::Tensor tile_classes(const at::Tensor& prob_chw, const TileGrid& grid) {
  return pooled(prob_chw, grid).argmax(0).reshape({-1});
}

at::Tensor tile_means(const at::Tensor& map_hw, const TileGrid& grid) {
  return pooled(map_hw.unsqueeze(0), grid).reshape({-1});
}

cv::Mat most_taken(const cv::Mat& taken_hw, const TileGrid& grid) {
  cv::Mat most = cv::Mat::zeros(grid.rows, grid.columns, CV_8UC1);
  if (taken_hw.empty()) return most;
  for (int y = 0; y < grid.rows * grid.tile_px; ++y) {
    const auto* taken = taken_hw.ptr<std::uint8_t>(y);
    auto* row = most.ptr<std::uint8_t>(y / grid.tile_px);
    for (int x = 0; x < grid.columns * grid.tile_px; ++x)
      row[x / grid.tile_px] = std::max(row[x / grid.tile_px], taken[x]);
  }
  return most;
}

}  // namespace driftloop::adapt
