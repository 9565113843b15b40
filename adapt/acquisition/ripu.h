// The two strategies of Xie et al. 2022 and their options; what they do is said in ripu.cpp. No
// LibTorch in this header.
#pragma once
#include <memory>

#include "config/fields.h"

namespace driftloop::adapt {

class Strategy;

struct RipuPixelOptions {
  int radius_px = 32;
};
void describe(config::Fields& f, RipuPixelOptions& o);

std::unique_ptr<Strategy> make_ripu(const config::NoOptions&);
std::unique_ptr<Strategy> make_ripu_pixel(const RipuPixelOptions& options);

}  // namespace driftloop::adapt
