#include "adapt/acquisition/window.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "adapt/acquisition/window_kernel.h"
#include "config/check.h"

namespace driftloop::adapt {
WindowGrid::WindowGrid(std::int64_t height_, std::int64_t width_, int side_, Border border)
    : height(height_), width(width_), side(side_), before(border == Border::clipped ? side_ / 2 : 0) {
  DL_CHECK(height_ >= 0 && width_ >= 0 && side_ >= 1, height_, width_, side_);
  const std::int64_t lost = border == Border::clipped ? 0 : side - 1;
  out_height = std::max<std::int64_t>(0, height - lost);
  out_width = std::max<std::int64_t>(0, width - lost);
  if (out_height == 0 || out_width == 0) out_height = out_width = 0;
}

std::int64_t rows_per_task(const WindowGrid& grid) {
  return std::max<std::int64_t>(32, 2 * grid.side);
}

MeanRows::MeanRows(const WindowGrid& grid, const float* map, std::int64_t first_row)
    : grid_(grid),
      map_(map),
      column_share_(static_cast<std::size_t>(grid.out_width)),
      share_(column_share_),
      columns_(static_cast<std::size_t>(grid.width), 0.0),
      sums_(static_cast<std::size_t>(std::max(grid.before + 1 + grid.width, grid.out_width + grid.side)),
            0.0),
      first_(grid.first_row(first_row)),
      end_(first_) {
  for (std::int64_t x = 0; x < grid.out_width; ++x)
    column_share_[static_cast<std::size_t>(x)] =
        1.0F / static_cast<float>(grid.end_column(x) - grid.first_column(x));
}

void MeanRows::fill(std::int64_t y, float* out) {
  const std::int64_t width = grid_.width, behind = grid_.before + 1 + width;
  while (end_ < grid_.end_row(y)) add_row(columns_.data(), map_ + width * end_++, 1, width);
  while (first_ < grid_.first_row(y)) add_row(columns_.data(), map_ + width * first_++, -1, width);
  running_sums(columns_.data(), width, sums_.data() + grid_.before + 1);
  std::fill(sums_.begin() + behind, sums_.end(), sums_[static_cast<std::size_t>(behind - 1)]);
  const float rows = 1.0F / static_cast<float>(end_ - first_);
  for (std::size_t x = 0; x < share_.size(); ++x) share_[x] = rows * column_share_[x];
  window_means(sums_.data(), grid_.side, share_.data(), grid_.out_width, out);
}

at::Tensor window_mean(const at::Tensor& map_hw, int side, Border border) {
  DL_CHECK(map_hw.dim() == 2 && map_hw.scalar_type() == at::kFloat && map_hw.is_cpu(), map_hw.sizes());
  const auto map = map_hw.contiguous();
  const WindowGrid grid(map.size(0), map.size(1), side, border);
  auto out = at::empty({grid.out_height, grid.out_width}, map.options());
  if (out.numel() == 0) return out;
  const float* in = map.const_data_ptr<float>();
  float* result = out.data_ptr<float>();
  at::parallel_for(0, grid.out_height, rows_per_task(grid), [&](std::int64_t from, std::int64_t to) {
    MeanRows rows(grid, in, from);
    for (std::int64_t y = from; y < to; ++y) rows.fill(y, result + y * grid.out_width);
  });
  return out;
}

}  // namespace driftloop::adapt
