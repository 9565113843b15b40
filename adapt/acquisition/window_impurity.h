// The entropy of each window's histogram of classes, by histograms that slide: the cost does not grow with
// the window.
#pragma once
#include <cstdint>

#include "adapt/acquisition/window.h"

namespace driftloop::adapt {

/// Rows from..to-1 of the windows: -sum_c d_c log(d_c + 1e-6) / log(classes), d_c the share of class c in the
/// window, RIPU's epsilon included. `class_hw`: a class below `classes` each, `classes` 2..255; `out`: those
/// rows of the map, dense. Within 1e-6.
void fill_impurity_rows(const WindowGrid& grid, const std::uint8_t* class_hw, int classes, std::int64_t from,
                        std::int64_t to, float* out);

}  // namespace driftloop::adapt
