#include "adapt/acquisition/window_impurity.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "adapt/acquisition/vector_math.h"

namespace driftloop::adapt {
namespace {

constexpr float kLogEpsilon = 1e-6F;  // RIPU's code adds it inside the logarithm
constexpr int kLanes = 8;  // a column's histogram is padded to a multiple, so that its loops have no rest

struct RowJob {
  const std::uint16_t* columns;  // [x][lanes]: histograms of the columns over the window's rows
  const int *begin, *end;        // [x]: the columns that a window covers
  const float* share;            // [x]: 1 / its pixels
  int windows, lanes;
  float scale;  // -1 / log2(classes)
  float* out;
};

constexpr int kChunk = 32;  // windows whose histograms are made before their entropies

/// Adds (kSign 1) or removes a column.
template <int kSign>
DL_INLINE void change_window(std::int32_t* __restrict window, const std::uint16_t* __restrict column,
                             int lanes) {
  for (int c = 0; c < lanes; ++c) window[c] += kSign * column[c];
}

/// kBlocks > 0: that many times kLanes, known when the code is built.
template <int kBlocks>
DL_INLINE void slide_row(const RowJob& job, std::int32_t* __restrict counts, float* __restrict terms) {
  const int blocks = kBlocks > 0 ? kBlocks : job.lanes / kLanes;
  const int lanes = blocks * kLanes;
  std::int32_t* window = counts + kChunk * lanes;  // the one before the chunk
  for (int c = 0; c < lanes; ++c) window[c] = 0;
  alignas(64) float eighths[kChunk * kLanes];
  int begin = 0, end = 0;
  for (int x0 = 0; x0 < job.windows; x0 += kChunk) {
    const int size = job.windows - x0 < kChunk ? job.windows - x0 : kChunk;
    for (int x = 0; x < size; ++x) {
      std::int32_t* __restrict next = counts + x * lanes;
      const int end_now = job.end[x0 + x], begin_now = job.begin[x0 + x];
      if (end_now - end == 1 && begin_now - begin == 1) {
        const std::uint16_t* __restrict in = job.columns + static_cast<std::int64_t>(end) * lanes;
        const std::uint16_t* __restrict out = job.columns + static_cast<std::int64_t>(begin) * lanes;
        for (int c = 0; c < lanes; ++c) next[c] = window[c] + (in[c] - out[c]);
      } else {
        for (int c = 0; c < lanes; ++c) next[c] = window[c];
        for (; end < end_now; ++end)
          change_window<1>(next, job.columns + static_cast<std::int64_t>(end) * lanes, lanes);
        for (; begin < begin_now; ++begin)
          change_window<-1>(next, job.columns + static_cast<std::int64_t>(begin) * lanes, lanes);
      }
      begin = begin_now;
      end = end_now;
      window = next;
    }
    const float share = job.share[x0];
    bool uniform = true;
    for (int x = 1; x < size; ++x) uniform = uniform && job.share[x0 + x] == share;
    if (uniform) {
      for (int i = 0; i < size * lanes; ++i) {
        const float d = static_cast<float>(counts[i]) * share;
        terms[i] = d * log2_of_positive(d + kLogEpsilon);
      }
    } else {
      for (int x = 0; x < size; ++x)
        for (int c = 0; c < lanes; ++c) {
          const float d = static_cast<float>(counts[x * lanes + c]) * job.share[x0 + x];
          terms[x * lanes + c] = d * log2_of_positive(d + kLogEpsilon);
        }
    }
    // In halves, so that most of the sum is in vectors.
    for (int x = 0; x < size; ++x)
      for (int i = 0; i < kLanes; ++i) {
        float sum = terms[x * lanes + i];
        for (int b = 1; b < blocks; ++b) sum += terms[x * lanes + b * kLanes + i];
        eighths[x * kLanes + i] = sum;
      }
    for (int x = 0; x < size; ++x) {
      const float* t = eighths + x * kLanes;
      job.out[x0 + x] = (((t[0] + t[4]) + (t[1] + t[5])) + ((t[2] + t[6]) + (t[3] + t[7]))) * job.scale;
    }
    if (size == kChunk) {
      std::int32_t* last = counts + kChunk * lanes;
      for (int c = 0; c < lanes; ++c) last[c] = window[c];
      window = last;
    }
  }
}

DL_EACH_CPU void slide(const RowJob& job, std::int32_t* counts, float* terms) {
  switch (job.lanes) {
    case 8:
      return slide_row<1>(job, counts, terms);
    case 16:
      return slide_row<2>(job, counts, terms);
    case 24:
      return slide_row<3>(job, counts, terms);
    case 32:
      return slide_row<4>(job, counts, terms);
    default:
      return slide_row<0>(job, counts, terms);
  }
}

void change_row(std::vector<std::uint16_t>& columns, const std::uint8_t* row, std::int64_t width, int lanes,
                int step) {
  std::uint16_t* column = columns.data();
  for (std::int64_t x = 0; x < width; ++x, column += lanes)
    column[row[x]] = static_cast<std::uint16_t>(column[row[x]] + step);
}

}  // namespace

void fill_impurity_rows(const WindowGrid& grid, const std::uint8_t* class_hw, int classes, std::int64_t from,
                        std::int64_t to, float* out) {
  const int lanes = (classes + kLanes - 1) / kLanes * kLanes;
  std::vector<std::uint16_t> columns(static_cast<std::size_t>(grid.width * lanes), 0);
  const auto windows = static_cast<std::size_t>(grid.out_width);
  std::vector<int> begin(windows), end(windows);
  std::vector<float> share(windows), column_share(windows), terms(static_cast<std::size_t>(kChunk * lanes));
  std::vector<std::int32_t> counts(static_cast<std::size_t>((kChunk + 1) * lanes));
  for (std::size_t x = 0; x < windows; ++x) {
    begin[x] = static_cast<int>(grid.first_column(static_cast<std::int64_t>(x)));
    end[x] = static_cast<int>(grid.end_column(static_cast<std::int64_t>(x)));
    column_share[x] = 1.0F / static_cast<float>(end[x] - begin[x]);
  }
  RowJob job{.columns = columns.data(),
             .begin = begin.data(),
             .end = end.data(),
             .share = share.data(),
             .windows = static_cast<int>(windows),
             .lanes = lanes,
             .scale = static_cast<float>(-1 / std::log2(static_cast<double>(classes))),
             .out = out};
  std::int64_t first = grid.first_row(from), last = first;
  for (std::int64_t y = from; y < to; ++y, job.out += windows) {
    for (; last < grid.end_row(y); ++last)
      change_row(columns, class_hw + last * grid.width, grid.width, lanes, 1);
    for (; first < grid.first_row(y); ++first)
      change_row(columns, class_hw + first * grid.width, grid.width, lanes, -1);
    const float per_row = 1.0F / static_cast<float>(last - first);
    for (std::size_t x = 0; x < windows; ++x) share[x] = per_row * column_share[x];
    slide(job, counts.data(), terms.data());
  }
}

}  // namespace driftloop::adapt
