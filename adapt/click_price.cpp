#include "adapt/click_price.h"

#include <algorithm>
#include <cmath>

#include "adapt/region.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {
constexpr std::size_t kImages = 16;
constexpr int kTilesOfAnImage = 32;
}  // namespace

double click_price(const Dataset& source, const config::LabelSpace& space, double side_share) {
  const std::size_t images = std::min(kImages, source.size());
  config::Random random(0);
  std::int64_t clicks = 0;
  for (std::size_t i = 0; i < images; ++i) {
    const cv::Mat label = config::map_labels(source.label(i * source.size() / images), space.fold);
    const int longest = std::max(label.cols, label.rows);
    const int side =
        std::clamp(static_cast<int>(std::lround(side_share * longest)), 1, std::min(label.cols, label.rows));
    for (int t = 0; t < kTilesOfAnImage; ++t) {
      const int x = static_cast<int>(random.below(static_cast<std::uint64_t>(label.cols - side + 1)));
      const int y = static_cast<int>(random.below(static_cast<std::uint64_t>(label.rows - side + 1)));
      clicks += clicks_of(label(cv::Rect(x, y, side, side)));
    }
  }
  return images == 0 ? 1 : static_cast<double>(clicks) / static_cast<double>(images * kTilesOfAnImage);
}

}  // namespace driftloop::adapt
