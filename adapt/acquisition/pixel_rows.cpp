#include "adapt/acquisition/pixel_rows.h"

#include <algorithm>

#include "adapt/acquisition/pixel_rows_kernel.h"

namespace driftloop::adapt {
namespace {

constexpr int kNarrow = 16;  // px: tiles up to which a strip ends where a tile does, and so has no sums to keep

/// From one strip to the next.
int strip_step(const PixelTargets& to) {
  return to.tile_px > 0 && to.tile_px <= kNarrow ? kStrip - kStrip % to.tile_px : kStrip;
}

/// A band of rows, one strip of columns after the other.
class StripPass {
 public:
  StripPass(const LogitsSource& from, const PixelTargets& to, int first_row, int end_row)
      : from_(from), to_(to), width_(static_cast<int>(from.columns.left.size())) {
    const auto size = static_cast<std::size_t>(from.classes) * kStrip;
    for (auto* buffer : {&upper_, &lower_}) buffer->resize(size);
    if (to.tile_px == 0) return;
    columns_.resize(size + kNarrow);
    first_tile_row_ = first_row / to.tile_px;
    if (to.tile_px > kNarrow)
      wide_.resize(static_cast<std::size_t>(end_row / to.tile_px - first_tile_row_) *
                   static_cast<std::size_t>(to.tile_columns * from.classes));
  }

  void run(int x0, int first_row, int end_row) {
    x0_ = x0;
    count_ = std::min(kStrip, width_ - x0);
    for (int x = 0; x < kStrip; ++x) {
      const auto at = static_cast<std::size_t>(std::min(x0 + x, width_ - 1));
      columns_at_.left[x] = from_.columns.left[at];
      columns_at_.right[x] = from_.columns.right[at];
      columns_at_.share[x] = from_.columns.share[at];
    }
    upper_row_ = lower_row_ = -1;
    std::fill(columns_.begin(), columns_.end(), 0.0F);
    for (int y = first_row; y < end_row; ++y) {
      take_sources(y);
      row(y);
      if (to_.tile_px > 0 && (y + 1) % to_.tile_px == 0) end_tiles(y / to_.tile_px);
    }
  }

  /// After the last strip.
  void end() {
    std::uint8_t* tile = to_.tile_class + static_cast<std::int64_t>(first_tile_row_) * to_.tile_columns;
    for (auto sums = wide_.begin(); sums != wide_.end(); sums += from_.classes)
      *tile++ = static_cast<std::uint8_t>(std::max_element(sums, sums + from_.classes) - sums);
  }

 private:
  void take_sources(int y) {
    const int top = from_.rows.left[static_cast<std::size_t>(y)];
    const int bottom = from_.rows.right[static_cast<std::size_t>(y)];
    if (top == lower_row_ && top != upper_row_) {
      std::swap(upper_, lower_);
      std::swap(upper_row_, lower_row_);
    }
    if (top != upper_row_) widen_into(upper_, upper_row_, top);
    if (bottom != lower_row_) widen_into(lower_, lower_row_, bottom);
  }
  void widen_into(std::vector<float>& buffer, int& holds, int row) {
    const auto plane = static_cast<std::int64_t>(from_.height) * from_.width;
    widen(from_.logits_chw + static_cast<std::int64_t>(row) * from_.width, plane, from_.width, from_.classes,
          columns_at_, buffer.data());
    holds = row;
  }
  /// Where a row of the strip goes: straight into the map, or into `buffer` where the map ends before it.
  template <class T>
  T* place(T* map, std::int64_t at, T* buffer) const {
    return map == nullptr ? nullptr : count_ == kStrip ? map + at : buffer;
  }
  template <class T>
  void put(const T* buffer, T* map, std::int64_t at) const {
    if (map != nullptr && count_ < kStrip) std::copy_n(buffer, count_, map + at);
  }
  void row(int y) {
    const auto at = static_cast<std::int64_t>(y) * width_ + x0_;
    fill_strip({.upper = upper_.data(),
                .lower = lower_.data(),
                .share = from_.rows.share[static_cast<std::size_t>(y)],
                .classes = from_.classes,
                .entropy_scale = to_.entropy_scale},
               {.confidence = place(to_.confidence_hw, at, confidence_),
                .entropy = place(to_.entropy_hw, at, entropy_),
                .id = place(to_.class_hw, at, id_),
                .margin = place(to_.margin_hw, at, margin_),
                .columns = to_.tile_px > 0 ? columns_.data() : nullptr});
    put(confidence_, to_.confidence_hw, at);
    put(entropy_, to_.entropy_hw, at);
    put(id_, to_.class_hw, at);
    put(margin_, to_.margin_hw, at);
  }
  void end_tiles(int tile_row) {
    if (to_.tile_px <= kNarrow)
      end_narrow_tiles(tile_row);
    else
      add_to_wide_tiles(tile_row);
    std::fill(columns_.begin(), columns_.end(), 0.0F);
  }
  /// All of them end in the strip.
  void end_narrow_tiles(int tile_row) {
    std::int32_t id[kStrip];
    largest_class(columns_.data(), from_.classes, to_.tile_px, id);
    std::uint8_t* tiles = to_.tile_class + static_cast<std::int64_t>(tile_row) * to_.tile_columns;
    const int first = x0_ / to_.tile_px;
    const int end = std::min(to_.tile_columns, first + strip_step(to_) / to_.tile_px);
    for (int t = first; t < end; ++t) tiles[t] = static_cast<std::uint8_t>(id[(t - first) * to_.tile_px]);
  }
  /// The first and the last may lie in other strips, too.
  void add_to_wide_tiles(int tile_row) {
    float* tiles = wide_.data() +
                   static_cast<std::int64_t>(tile_row - first_tile_row_) * to_.tile_columns * from_.classes;
    const int end = std::min(count_, to_.tile_columns * to_.tile_px - x0_);
    for (int x = 0, last = 0; x < end; x = last) {
      const int tile = (x0_ + x) / to_.tile_px;
      last = std::min(end, (tile + 1) * to_.tile_px - x0_);
      float* sums = tiles + static_cast<std::int64_t>(tile) * from_.classes;
      const float* column = columns_.data() + x;
      for (int c = 0; c < from_.classes; ++c, column += kStrip)
        for (int i = 0; i < last - x; ++i) sums[c] += column[i];
    }
  }

  const LogitsSource& from_;
  const PixelTargets& to_;
  int width_, x0_ = 0, count_ = 0;
  int upper_row_ = -1, lower_row_ = -1;  // source rows that the buffers hold
  std::vector<float> upper_, lower_, columns_;
  int first_tile_row_ = 0;
  std::vector<float> wide_;  // (the band's rows of tiles, columns of tiles, classes)
  StripColumns columns_at_;
  float confidence_[kStrip], entropy_[kStrip], margin_[kStrip];
  std::uint8_t id_[kStrip];
};

}  // namespace

void fill_pixel_rows(const LogitsSource& from, const PixelTargets& to, int first_row, int end_row) {
  StripPass pass(from, to, first_row, end_row);
  const int width = static_cast<int>(from.columns.left.size());
  for (int x = 0; x < width; x += strip_step(to)) pass.run(x, first_row, end_row);
  pass.end();
}

}  // namespace driftloop::adapt
