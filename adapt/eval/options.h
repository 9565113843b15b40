// How a split is scored. No LibTorch in this header.
#pragma once
#include "config/fields.h"

namespace driftloop::adapt {

struct EvalOptions {
  int window_px = 0;
  int stride_px = 0;
  bool multi_scale = false;
  bool flip = false;

  /// Whether the net sees each image once, as a whole.
  bool plain() const { return window_px == 0 && !multi_scale && !flip; }
};
void describe(config::Fields& f, EvalOptions& o);

}  // namespace driftloop::adapt
