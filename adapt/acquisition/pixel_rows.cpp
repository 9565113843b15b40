#include "adapt/acquisition/pixel_rows.h"

#include <algorithm>
#include <type_traits>

#include "adapt/acquisition/vector_math.h"

namespace driftloop::adapt {
namespace {

constexpr int kStrip = 256;  // columns: with 19 classes three buffers of 19 KiB
constexpr float kLeast = -3e38F;

/// One pixel of each column of the strip, once all classes were seen.
struct alignas(64) StripMaps {
  float best[kStrip], second[kStrip], sum[kStrip], dot[kStrip];
  float entropy[kStrip], margin[kStrip], inverse[kStrip];
  std::int32_t id[kStrip];
  std::uint8_t id8[kStrip];
};

/// Runs `step(K, first class)` over all classes, four at a time: what is kept of a pixel is then loaded and
/// stored once for four of them.
template <class Step>
DL_INLINE void by_four(int classes, Step step) {
  int c = 0;
  for (; c + 4 <= classes; c += 4) step(std::integral_constant<int, 4>{}, c);
  if (classes - c == 3) step(std::integral_constant<int, 3>{}, c);
  if (classes - c == 2) step(std::integral_constant<int, 2>{}, c);
  if (classes - c == 1) step(std::integral_constant<int, 1>{}, c);
}

/// Where the columns of a strip lie between the source's.
struct StripColumns {
  int left[kStrip], right[kStrip];
  float share[kStrip];
  int group = 0;  // g > 0: column g k + p lies k columns to the right of column p, whatever p below g
};

template <int kGroup>
DL_INLINE void widen_groups(const float* __restrict in, const int* __restrict left,
                            const int* __restrict right, const float* __restrict share,
                            float* __restrict out) {
  for (int k = 0; k < kStrip / kGroup; ++k)
#pragma GCC unroll 8
    for (int p = 0; p < kGroup; ++p) {
      const float a = in[left[p] + k];
      out[kGroup * k + p] = a + share[kGroup * k + p] * (in[right[p] + k] - a);
    }
}

/// `row`: the first class's source row; the others follow `plane` further on.
DL_EACH_CPU void widen(const float* row, std::int64_t plane, int classes, const StripColumns& at,
                       float* out) {
  for (int c = 0; c < classes; ++c, row += plane, out += kStrip) {
    if (at.group == 4) {
      widen_groups<4>(row, at.left, at.right, at.share, out);
    } else if (at.group == 8) {
      widen_groups<8>(row, at.left, at.right, at.share, out);
    } else {
      for (int x = 0; x < kStrip; ++x)
        out[x] = row[at.left[x]] + at.share[x] * (row[at.right[x]] - row[at.left[x]]);
    }
  }
}

template <int K>
DL_INLINE void best_of(const float* __restrict upper, const float* __restrict lower, float share, int first,
                       float* __restrict logits, float* __restrict best, std::int32_t* __restrict id) {
  for (int x = 0; x < kStrip; ++x) {
    float b = best[x];
    std::int32_t i = id[x];
#pragma GCC unroll 4
    for (int k = 0; k < K; ++k) {
      const float value = upper[k * kStrip + x] + share * (lower[k * kStrip + x] - upper[k * kStrip + x]);
      logits[k * kStrip + x] = value;
      i = value > b ? first + k : i;
      b = value > b ? value : b;
    }
    best[x] = b;
    id[x] = i;
  }
}

DL_EACH_CPU void find_best(const float* upper, const float* lower, float share, int classes, float* logits,
                           StripMaps& maps) {
  for (int x = 0; x < kStrip; ++x) maps.best[x] = kLeast;
  for (int x = 0; x < kStrip; ++x) maps.id[x] = 0;
  by_four(
      classes, [&](auto k, int c) __attribute__((always_inline)) {
        best_of<k()>(upper + c * kStrip, lower + c * kStrip, share, c, logits + c * kStrip, maps.best,
                     maps.id);
      });
}

/// The second largest logit, from the largest and its class.
DL_EACH_CPU void find_second(const float* logits, int classes, StripMaps& maps) {
  StripMaps* __restrict m = &maps;
  for (int x = 0; x < kStrip; ++x) m->second[x] = kLeast;
  for (int c = 0; c < classes; ++c) {
    const float* __restrict l = logits + c * kStrip;
    for (int x = 0; x < kStrip; ++x) {
      const float value = m->id[x] == c ? kLeast : l[x];
      m->second[x] = value > m->second[x] ? value : m->second[x];
    }
  }
}

template <int K>
DL_INLINE void exponentials_of(float* __restrict logits, const float* __restrict best, float* __restrict sum,
                               float* __restrict dot) {
  for (int x = 0; x < kStrip; ++x) {
    const float b = best[x];
    float s = sum[x], d = dot[x];
#pragma GCC unroll 4
    for (int k = 0; k < K; ++k) {
      const float t = logits[k * kStrip + x] - b;
      const float e = exp2_below_0(t);
      logits[k * kStrip + x] = e;
      s += e;
      d += e * t;
    }
    sum[x] = s;
    dot[x] = d;
  }
}

/// Sums over the classes of e = 2^(logit - best) and of e (logit - best); `logits` becomes e.
DL_EACH_CPU void sum_exponentials(float* logits, int classes, StripMaps& maps) {
  for (int x = 0; x < kStrip; ++x) maps.sum[x] = maps.dot[x] = 0;
  by_four(
      classes, [&](auto k, int c) __attribute__((always_inline)) {
        exponentials_of<k()>(logits + c * kStrip, maps.best, maps.sum, maps.dot);
      });
}

DL_EACH_CPU void finish(float scale, StripMaps& maps) {
  StripMaps* __restrict m = &maps;
  for (int x = 0; x < kStrip; ++x) {
    m->inverse[x] = 1.0F / m->sum[x];
    m->entropy[x] = (log2_of_positive(m->sum[x]) - m->dot[x] * m->inverse[x]) * scale;
    m->id8[x] = static_cast<std::uint8_t>(m->id[x]);
  }
}

DL_EACH_CPU void finish_margin(StripMaps& maps) {
  StripMaps* __restrict m = &maps;
  for (int x = 0; x < kStrip; ++x)
    m->margin[x] = 1.0F - m->inverse[x] * (1.0F - exp2_below_0(m->second[x] - m->best[x]));
}

/// Adds each pixel's probabilities to its column.
DL_EACH_CPU void add_probabilities(const float* exponentials, int classes, const StripMaps& maps,
                                   float* columns) {
  const StripMaps* __restrict m = &maps;
  for (int c = 0; c < classes; ++c) {
    const float* __restrict e = exponentials + c * kStrip;
    float* __restrict column = columns + c * kStrip;
    for (int x = 0; x < kStrip; ++x) column[x] += e[x] * m->inverse[x];
  }
}

/// One strip of columns, from the first row of a band to its last.
class StripPass {
 public:
  StripPass(const LogitsSource& from, const PixelTargets& to)
      : from_(from), to_(to), width_(static_cast<int>(from.columns.left.size())) {
    const auto size = static_cast<std::size_t>(from.classes) * kStrip;
    for (auto* buffer : {&upper_, &lower_, &logits_}) buffer->resize(size);
    if (to.tile_px > 0) columns_.resize(size);
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
    columns_at_.group = in_groups(4) ? 4 : in_groups(8) ? 8 : 0;
    upper_row_ = lower_row_ = -1;
    std::fill(columns_.begin(), columns_.end(), 0.0F);
    for (int y = first_row; y < end_row; ++y) {
      take_sources(y);
      row(y);
      if (to_.tile_px > 0 && (y + 1) % to_.tile_px == 0) end_tiles(y / to_.tile_px);
    }
  }

 private:
  bool in_groups(int g) const {
    const auto& a = columns_at_;
    for (int x = g; x < kStrip; ++x)
      if (a.left[x] != a.left[x % g] + x / g || a.right[x] != a.right[x % g] + x / g) return false;
    return true;
  }
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
    widen(from_.logits_chw + static_cast<std::int64_t>(row) * from_.width, plane, from_.classes, columns_at_,
          buffer.data());
    holds = row;
  }
  template <class T>
  void put(const T* strip, T* map, int y) const {
    if (map != nullptr) std::copy_n(strip, count_, map + static_cast<std::int64_t>(y) * width_ + x0_);
  }
  void row(int y) {
    find_best(upper_.data(), lower_.data(), from_.rows.share[static_cast<std::size_t>(y)], from_.classes,
              logits_.data(), maps_);
    if (to_.margin_hw != nullptr) find_second(logits_.data(), from_.classes, maps_);
    sum_exponentials(logits_.data(), from_.classes, maps_);
    finish(to_.entropy_scale, maps_);
    if (to_.margin_hw != nullptr) finish_margin(maps_);
    if (to_.tile_px > 0) add_probabilities(logits_.data(), from_.classes, maps_, columns_.data());
    put(maps_.id8, to_.class_hw, y);
    put(maps_.inverse, to_.confidence_hw, y);
    put(maps_.entropy, to_.entropy_hw, y);
    put(maps_.margin, to_.margin_hw, y);
  }
  void end_tiles(int tile_row) {
    for (int x = 0; x < count_; ++x) {
      const int tile = (x0_ + x) / to_.tile_px;
      if (tile >= to_.tile_columns) break;
      float* sums =
          to_.tile_prob + (static_cast<std::int64_t>(tile_row) * to_.tile_columns + tile) * from_.classes;
      for (int c = 0; c < from_.classes; ++c) sums[c] += columns_[static_cast<std::size_t>(c * kStrip + x)];
    }
    std::fill(columns_.begin(), columns_.end(), 0.0F);
  }

  const LogitsSource& from_;
  const PixelTargets& to_;
  int width_, x0_ = 0, count_ = 0;
  int upper_row_ = -1, lower_row_ = -1;  // source rows that the buffers hold
  std::vector<float> upper_, lower_, logits_, columns_;
  StripColumns columns_at_;
  StripMaps maps_;
};

}  // namespace

void fill_pixel_rows(const LogitsSource& from, const PixelTargets& to, int first_row, int end_row) {
  StripPass pass(from, to);
  const int width = static_cast<int>(from.columns.left.size());
  for (int x = 0; x < width; x += kStrip) pass.run(x, first_row, end_row);
}

}  // namespace driftloop::adapt
