// The entropy of each window's histogram of classes, by histograms that slide: the cost does not grow with
// the window.
#pragma once
#include <cstdint>
#include <memory>

#include "adapt/acquisition/window.h"

namespace driftloop::adapt {

/// -sum_c d_c log(d_c + 1e-6) / log(classes) of each window, d_c the share of class c in it, RIPU's epsilon
/// included. Within 1e-6.
class ImpurityRows {
 public:
  /// `class_hw`: dense, a class below `classes` each, `classes` 2..255; both outlive this.
  static std::unique_ptr<ImpurityRows> from(const WindowGrid& grid, const std::uint8_t* class_hw, int classes,
                                            std::int64_t first_row);
  virtual ~ImpurityRows() = default;
  /// Row y, first_row at first and then one further each time; `above`: the row before it, null at first.
  virtual void fill(std::int64_t y, const float* above, float* out) = 0;
};

}  // namespace driftloop::adapt
