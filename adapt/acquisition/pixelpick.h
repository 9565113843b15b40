// The options of `pixelpick` and its maker; what it does is said in pixelpick.cpp. No LibTorch in this
// header.
#pragma once
#include <memory>

#include "config/fields.h"

namespace driftloop::adapt {

class Strategy;

struct PixelPickOptions {
  double uncertain_share = 0.05;
};
void describe(config::Fields& f, PixelPickOptions& o);

std::unique_ptr<Strategy> make_pixelpick(const PixelPickOptions& options);

}  // namespace driftloop::adapt
