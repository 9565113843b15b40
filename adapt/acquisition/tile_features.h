// One feature per tile of a frame: what `cover` clusters.
#pragma once
#include <ATen/core/Tensor.h>

#include <opencv2/core/mat.hpp>

namespace driftloop::adapt {

/// Tiles of side `tile_px` from the frame's top left corner; what is left over at the right and the bottom is
/// in no tile.
struct TileGrid {
  TileGrid(cv::Size frame_size, int side_px)
      : tile_px(side_px),
        rows(frame_size.height / side_px),
        columns(frame_size.width / side_px),
        frame(frame_size) {}
  int tile_px, rows, columns;
  cv::Size frame;
  std::int64_t size() const { return static_cast<std::int64_t>(rows) * columns; }
  cv::Rect box(std::int64_t tile) const {
    const int row = static_cast<int>(tile / columns);
    const int column = static_cast<int>(tile % columns);
    return {column * tile_px, row * tile_px, tile_px, tile_px};
  }
};

/// (rows x columns, D) unit features of the tiles, on the device of `feature_dhw` (D, h, w), whose cells
/// share the frame evenly: each cell is L2-normalised, cells are averaged by the area they share with the
/// tile (a tile smaller than a cell takes that cell's), and the average is normalised again.
at::Tensor tile_features(const at::Tensor& feature_dhw, const TileGrid& grid);

/// (rows x columns) int64: the class of each tile with the largest mean probability of `prob_chw` (C, H, W).
at::Tensor tile_classes(const at::Tensor& prob_chw, const TileGrid& grid);

/// (rows x columns) float: the mean of `map_hw` (H, W) over each tile.
at::Tensor tile_means(const at::Tensor& map_hw, const TileGrid& grid);

/// (rows x columns) bytes, row by row: the largest value that the tile touches in `taken_hw` (8UC1; empty =
/// 0).
cv::Mat most_taken(const cv::Mat& taken_hw, const TileGrid& grid);

}  // namespace driftloop::adapt
