// The options of `herding` and its maker; what it does is said in max_herding.h. No LibTorch in this header.
#pragma once
#include <memory>
#include <string>

#include "config/fields.h"

namespace driftloop::adapt {

class Strategy;

struct HerdingOptions {
  std::string features = "decoder";
  double sigma = 1;
  int points = 20'000;
  int max_tiles = 200'000;
};
void describe(config::Fields& f, HerdingOptions& o);

std::unique_ptr<Strategy> make_herding(const HerdingOptions& options);

}  // namespace driftloop::adapt
