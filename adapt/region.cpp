#include "adapt/region.h"

#include <algorithm>
#include <bitset>

#include "config/label_space.h"

namespace driftloop::adapt {

int clicks_of(const cv::Mat& label) {
  std::bitset<256> classes;
  for (int y = 0; y < label.rows; ++y) {
    const auto* row = label.ptr<std::uint8_t>(y);
    for (int x = 0; x < label.cols; ++x) classes.set(row[x]);
  }
  classes.reset(config::kIgnore);
  return std::max(1, static_cast<int>(classes.count()));
}

}  // namespace driftloop::adapt
