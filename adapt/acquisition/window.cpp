#include "adapt/acquisition/window.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

void add_row(std::vector<double>& column_sum, const float* row, double sign) {
  for (std::size_t x = 0; x < column_sum.size(); ++x) column_sum[x] += sign * static_cast<double>(row[x]);
}

void mean_row(const WindowGrid& grid, const std::vector<double>& column_sum, std::int64_t rows, float* out) {
  double sum = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t columns = 0;
  double share = 0;  // of one pixel: the same for nearly all windows, and a division takes long
  for (std::int64_t x = 0; x < grid.out_width; ++x) {
    while (end < grid.end_column(x)) sum += column_sum[static_cast<std::size_t>(end++)];
    while (begin < grid.first_column(x)) sum -= column_sum[static_cast<std::size_t>(begin++)];
    if (end - begin != columns) {
      columns = end - begin;
      share = 1 / static_cast<double>(rows * columns);
    }
    out[x] = static_cast<float>(sum * share);
  }
}

}  // namespace

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

at::Tensor window_mean(const at::Tensor& map_hw, int side, Border border) {
  DL_CHECK(map_hw.dim() == 2 && map_hw.scalar_type() == at::kFloat && map_hw.is_cpu(), map_hw.sizes());
  const auto map = map_hw.contiguous();
  const WindowGrid grid(map.size(0), map.size(1), side, border);
  auto out = at::empty({grid.out_height, grid.out_width}, map.options());
  if (out.numel() == 0) return out;
  const float* in = map.const_data_ptr<float>();
  float* result = out.data_ptr<float>();
  at::parallel_for(0, grid.out_height, rows_per_task(grid), [&](std::int64_t from, std::int64_t to) {
    std::vector<double> column_sum(static_cast<std::size_t>(grid.width), 0.0);
    std::int64_t begin = grid.first_row(from);
    std::int64_t end = begin;
    for (std::int64_t y = from; y < to; ++y) {
      while (end < grid.end_row(y)) add_row(column_sum, in + grid.width * end++, 1);
      while (begin < grid.first_row(y)) add_row(column_sum, in + grid.width * begin++, -1);
      mean_row(grid, column_sum, end - begin, result + y * grid.out_width);
    }
  });
  return out;
}

}  // namespace driftloop::adapt
