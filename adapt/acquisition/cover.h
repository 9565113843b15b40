// The options of `cover` and its maker; what it does is said in cover.cpp. No LibTorch in this header.
#pragma once
#include <memory>
#include <string>

#include "config/fields.h"

namespace driftloop::adapt {

class Strategy;

struct CoverOptions {
  std::string features = "decoder";
  double balance = 0.5;
  double uncertainty = 0;
  int max_clusters = 1024;
  int fit_tiles = 40'000;
  int max_tiles = 200'000;
  int kmeans_iterations = 10;
};
void describe(config::Fields& f, CoverOptions& o);

std::unique_ptr<Strategy> make_cover(const CoverOptions& options);

}  // namespace driftloop::adapt
