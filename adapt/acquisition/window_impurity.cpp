#include "adapt/acquisition/window_impurity.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "adapt/acquisition/window_kernel.h"

namespace driftloop::adapt {
namespace {

constexpr std::uint8_t kNoClass = 255;

/// The windows of one row after the other. For each class the pixels of the window's rows are counted in each
/// column, and summed up along the row.
template <class Count, class Sum>
class Histograms {
 public:
  Histograms(const WindowGrid& grid, const std::uint8_t* class_hw, int classes, std::int64_t first_row)
      : grid_(grid),
        class_hw_(class_hw),
        classes_(classes),
        no_class_(static_cast<std::size_t>(grid.width), kNoClass),
        scale_(static_cast<float>(-1 / std::log2(static_cast<double>(classes)))),
        counts_(static_cast<std::size_t>(classes * grid.width), 0),
        stride_(grid.out_width + grid.side + kWindows),
        sums_(static_cast<std::size_t>(classes * stride_), 0),
        changed_(static_cast<std::size_t>(classes), false),
        column_share_(static_cast<std::size_t>(grid.out_width + kWindows), 0.0F),
        share_(column_share_),
        first_(grid.first_row(first_row)),
        end_(first_) {
    for (std::int64_t x = 0; x < grid.out_width; ++x)
      column_share_[static_cast<std::size_t>(x)] =
          1.0F / static_cast<float>(grid.end_column(x) - grid.first_column(x));
  }

  /// Row y, one behind the last or the first of all; `above`: that of y - 1, null at first.
  void fill(std::int64_t y, const float* above, float* out) {
    const std::int64_t first = first_, end = end_;
    slide(y);
    const bool by_one = above != nullptr && first_ == first + 1 && end_ == end + 1;
    const float rows = 1.0F / static_cast<float>(end_ - first_);
    for (std::size_t x = 0; x < share_.size(); ++x) share_[x] = rows * column_share_[x];
    for (std::int64_t x = 0; x < grid_.out_width; x += kWindows) {
      const std::int64_t windows = std::min<std::int64_t>(kWindows, grid_.out_width - x);
      if (by_one && same_below(x, windows, row(end), row(first)))
        std::copy_n(above + x, windows, out + x);  // a row went that was as the one that came
      else
        fill_strip(x, windows, out + x);
    }
  }

 private:
  const std::uint8_t* row(std::int64_t y) const { return class_hw_ + y * grid_.width; }
  /// The windows' rows become those of y.
  void slide(std::int64_t y) {
    std::fill(changed_.begin(), changed_.end(), false);
    while (end_ < grid_.end_row(y) || first_ < grid_.first_row(y)) {
      const std::uint8_t* in = end_ < grid_.end_row(y) ? row(end_++) : no_class_.data();
      const std::uint8_t* out = first_ < grid_.first_row(y) ? row(first_++) : no_class_.data();
      for (int c = 0; c < classes_; ++c)
        if (slide_counts(counts_.data() + c * grid_.width, in, out, grid_.width,
                         static_cast<std::uint8_t>(c)))
          changed_[static_cast<std::size_t>(c)] = true;
    }
    for (int c = 0; c < classes_; ++c)
      if (changed_[static_cast<std::size_t>(c)]) sum_up(c);
  }
  /// sums[i]: of the columns before i - grid.before, so that window x is sums[x + side] - sums[x].
  void sum_up(std::int64_t c) {
    Sum* sums = sums_.data() + c * stride_;
    running_counts(counts_.data() + c * grid_.width, grid_.width, sums + grid_.before + 1);
    const std::int64_t behind = grid_.before + 1 + grid_.width;
    if (behind < stride_) std::fill(sums + behind, sums + stride_, sums[behind - 1]);
  }
  bool same_below(std::int64_t x, std::int64_t windows, const std::uint8_t* a, const std::uint8_t* b) const {
    const std::int64_t from = grid_.first_column(x), to = grid_.end_column(x + windows - 1);
    return std::memcmp(a + from, b + from, static_cast<std::size_t>(to - from)) == 0;
  }
  void fill_strip(std::int64_t x, std::int64_t windows, float* out) const {
    const Sum* present[256];
    int classes = 0;
    for (std::int64_t c = 0; c < classes_; ++c) {
      const Sum* sums = sums_.data() + c * stride_ + x;
      if (sums[windows - 1 + grid_.side] != sums[0]) present[classes++] = sums;
    }
    float entropies[kWindows];
    window_entropies(present, classes, grid_.side, share_.data() + x, scale_, entropies);
    std::copy_n(entropies, windows, out);
  }

  const WindowGrid& grid_;
  const std::uint8_t* class_hw_;
  int classes_;
  std::vector<std::uint8_t> no_class_;  // a row
  float scale_;
  std::vector<Count> counts_;  // [class][column]
  std::int64_t stride_;
  std::vector<Sum> sums_;  // [class][stride]
  std::vector<bool> changed_;
  std::vector<float> column_share_, share_;  // 1 / columns and 1 / pixels of a window
  std::int64_t first_, end_;                 // the rows that are counted
};

template <class Count, class Sum>
void fill_rows(const WindowGrid& grid, const std::uint8_t* class_hw, int classes, std::int64_t from,
               std::int64_t to, float* out) {
  Histograms<Count, Sum> histograms(grid, class_hw, classes, from);
  for (std::int64_t y = from; y < to; ++y, out += grid.out_width)
    histograms.fill(y, y > from ? out - grid.out_width : nullptr, out);
}

}  // namespace

void fill_impurity_rows(const WindowGrid& grid, const std::uint8_t* class_hw, int classes, std::int64_t from,
                        std::int64_t to, float* out) {
  const std::int64_t pixels = grid.side * grid.side;
  if (pixels <= std::numeric_limits<std::uint8_t>::max())
    fill_rows<std::uint8_t, std::uint8_t>(grid, class_hw, classes, from, to, out);
  else if (pixels <= std::numeric_limits<std::uint16_t>::max())
    fill_rows<std::uint16_t, std::uint16_t>(grid, class_hw, classes, from, to, out);
  else
    fill_rows<std::uint16_t, std::int32_t>(grid, class_hw, classes, from, to, out);
}

}  // namespace driftloop::adapt
