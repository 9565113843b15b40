// Square windows over a map by running sums: the cost does not grow with the window (a convolution's does).
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

namespace driftloop::adapt {

/// Which windows there are. Windows are side x side.
enum class Border {
  inside,   // wholly inside the frame, indexed by their first row and column: (H - side + 1, W - side + 1)
  clipped,  // one per pixel, reaching side / 2 before it; cut at the frame's border: (H, W)
};

struct WindowGrid {
  WindowGrid(std::int64_t height, std::int64_t width, int side, Border border);
  std::int64_t height, width;          // of the frame
  std::int64_t side, before;           // window of index o covers o - before .. o - before + side - 1
  std::int64_t out_height, out_width;  // number of windows; 0 when the frame is smaller than a window

  std::int64_t first_row(std::int64_t y) const { return y > before ? y - before : 0; }
  std::int64_t end_row(std::int64_t y) const {
    const auto end = y - before + side;
    return end < height ? end : height;
  }
  std::int64_t first_column(std::int64_t x) const { return x > before ? x - before : 0; }
  std::int64_t end_column(std::int64_t x) const {
    const auto end = x - before + side;
    return end < width ? end : width;
  }
};

/// Window means of a float (H, W) map on the CPU, each divided by the pixels it really covers; (out_height,
/// out_width) float. Sums run in double.
at::Tensor window_mean(const at::Tensor& map_hw, int side, Border border);

/// That, row by row.
class MeanRows {
 public:
  /// `map`: dense (H, W); both outlive this.
  MeanRows(const WindowGrid& grid, const float* map, std::int64_t first_row);
  /// Row y, first_row at first and then one further each time.
  void fill(std::int64_t y, float* out);

 private:
  const WindowGrid& grid_;
  const float* map_;
  std::vector<float> column_share_, share_;  // 1 / columns and 1 / pixels of a window
  std::vector<double> columns_;              // sums of the rows first_..end_-1
  std::vector<double> sums_;  // [i]: of the columns before i - before, so that window x is [x + side] - [x]
  std::int64_t first_, end_;
};

/// Rows per task when window maps are filled in parallel: enough that the first window's cost does not count.
std::int64_t rows_per_task(const WindowGrid& grid);

}  // namespace driftloop::adapt
