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
constexpr double kLogEpsilon = 1e-6;  // RIPU's code adds it inside the logarithm

/// The windows of one row after the other. For each class the pixels of the window's rows are counted in each
/// column, and summed up along the row.
template <class Count, class Sum>
class Histograms final : public ImpurityRows {
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
    const std::int64_t pixels = grid.side * grid.side;
    by_table_ = sizeof(Sum) == 1 && pixels <= table_window_pixels();
    if (!by_table_) return;
    for (std::int64_t n = 1; n <= pixels; ++n)
      term_[n] = static_cast<float>(term(static_cast<double>(n) / static_cast<double>(pixels)));
  }

  void fill(std::int64_t y, const float* above, float* out) override {
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
  /// Of a class with the share d of a window.
  double term(double d) const { return static_cast<double>(scale_) * d * std::log2(d + kLogEpsilon); }
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
  /// Whether no border cuts these windows.
  bool whole(std::int64_t x, std::int64_t windows) const {
    return end_ - first_ == grid_.side && grid_.end_column(x) - grid_.first_column(x) == grid_.side &&
           grid_.end_column(x + windows - 1) - grid_.first_column(x + windows - 1) == grid_.side;
  }
  void fill_strip(std::int64_t x, std::int64_t windows, float* out) const {
    const Sum* present[256];
    int classes = 0;
    for (std::int64_t c = 0; c < classes_; ++c) {
      const Sum* sums = sums_.data() + c * stride_ + x;
      if (sums[windows - 1 + grid_.side] != sums[0]) present[classes++] = sums;
    }
    if (classes == 1) {
      std::fill_n(out, windows, one_class_);
      return;
    }
    float entropies[kWindows];
    if constexpr (sizeof(Sum) == 1)
      if (by_table_ && whole(x, windows)) {
        window_entropies_by_table(present, classes, grid_.side, term_, entropies);
        std::copy_n(entropies, windows, out);
        return;
      }
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
  float one_class_ = static_cast<float>(term(1));
  bool by_table_ = false;
  float term_[kTermTable] = {};  // of so many pixels of a window that no border cuts
};

}  // namespace

std::unique_ptr<ImpurityRows> ImpurityRows::from(const WindowGrid& grid, const std::uint8_t* class_hw,
                                                 int classes, std::int64_t first_row) {
  // What a strip of windows covers: the sums at its ends differ whenever a class is in it.
  const std::int64_t pixels = grid.side * (grid.side + kWindows - 1);
  if (pixels <= std::numeric_limits<std::uint8_t>::max())
    return std::make_unique<Histograms<std::uint8_t, std::uint8_t>>(grid, class_hw, classes, first_row);
  if (pixels <= std::numeric_limits<std::uint16_t>::max())
    return std::make_unique<Histograms<std::uint16_t, std::uint16_t>>(grid, class_hw, classes, first_row);
  return std::make_unique<Histograms<std::uint16_t, std::int32_t>>(grid, class_hw, classes, first_row);
}

}  // namespace driftloop::adapt
