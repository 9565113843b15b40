// The vector loops of pixel_rows.h: one row of a strip of columns, all classes. No LibTorch here.
#pragma once
#include <cstdint>

namespace driftloop::adapt {

constexpr int kStrip = 128;  // columns: with 19 classes the two source rows take 19 KiB of the first cache

/// Where the columns of a strip lie between the source's: in[left] + share (in[right] - in[left]); left and
/// right do not fall.
struct StripColumns {
  std::int32_t left[kStrip], right[kStrip];
  float share[kStrip];
};

/// `row`: the first class's source row, `width` floats; the others follow `plane` further on each. `out`:
/// kStrip floats of each class, times log2(e): probabilities are proportional to 2 to the power of them.
void widen(const float* row, long plane, int width, int classes, const StripColumns& at, float* out);

/// Two widened rows, kStrip floats of each class, and where the row between them lies. classes 2..255.
struct StripRows {
  const float *upper, *lower;
  float share;
  int classes;
  float entropy_scale;
};

/// kStrip each; null = not wanted. `columns`: kStrip floats of each class, to which the probabilities are
/// added.
struct StripMaps {
  float *confidence, *entropy;
  std::uint8_t* id;
  float *margin, *columns;
};

void fill_strip(const StripRows& rows, const StripMaps& to);

/// id[x] = the first class of which the columns x..x + tile_px - 1 sum up to most, for all such x of a strip;
/// the rest of `id` (kStrip) is anything. `columns`: kStrip floats of each class, and tile_px more to read.
void largest_class(const float* columns, int classes, int tile_px, std::int32_t* id);

}  // namespace driftloop::adapt
