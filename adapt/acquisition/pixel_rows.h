// The inner loops of pixel_maps.h, in plain pointers: enlargement, softmax and what is taken from it, strip
// by strip, so that what one step writes is still in the cache for the next.
#pragma once
#include <cstdint>
#include <vector>

namespace driftloop::adapt {

/// Where each output index of one axis lies between two input indices: in[left] + share (in[right] -
/// in[left]).
struct Between {
  std::vector<int> left, right;
  std::vector<float> share;
};

struct LogitsSource {
  const float* logits_chw;  // dense
  int classes, height, width;
  Between rows, columns;  // of the enlarged map
};

/// Dense maps of the enlarged size, row by row; null = not wanted.
struct PixelTargets {
  std::uint8_t* class_hw = nullptr;  // the first of the largest logits
  float* confidence_hw = nullptr;    // its probability
  float* entropy_hw = nullptr;       // -sum p log2 p, times entropy_scale
  float entropy_scale = 1;
  float* margin_hw = nullptr;  // 1 - (p of the best class - p of the second)
  int tile_px = 0;             // 0 = no tiles
  int tile_columns = 0;
  std::uint8_t* tile_class = nullptr;  // (tile rows, tile columns): that of the largest sum of p
};

/// Fills rows from..to-1; with tiles, a band of whole rows of tiles, and the rows below the last of them.
void fill_pixel_rows(const LogitsSource& from, const PixelTargets& to, int first_row, int end_row);

}  // namespace driftloop::adapt
