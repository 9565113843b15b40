#include "adapt/selftrain/cutmix.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

namespace driftloop::adapt {
namespace {

constexpr double kLeastComponent = 0.005;  // of the image's area; AEL
constexpr double kRandomShare = 0.5;       // of the box where there is no such component

at::Tensor boxed(const at::Tensor& map_nhw, std::int64_t row, const cv::Rect& box) {
  return map_nhw[row].narrow(0, box.y, box.height).narrow(1, box.x, box.width);
}

}  // namespace

cv::Rect random_box(cv::Size size, double share, config::Random& random) {
  const double stretch = random.uniform(std::sqrt(share), 1.0);
  const bool tall = random.chance(0.5);
  const int height = static_cast<int>(size.height * (tall ? stretch : share / stretch));
  const int width = static_cast<int>(size.width * (tall ? share / stretch : stretch));
  const auto y = random.between<std::int64_t>(0, size.height - height);
  const auto x = random.between<std::int64_t>(0, size.width - width);
  return {static_cast<int>(x), static_cast<int>(y), width, height};
}

cv::Rect component_box(const cv::Mat& predicted, int class_id, config::Random& random) {
  cv::Mat components, stats, centres;
  const int count = cv::connectedComponentsWithStats(predicted == class_id, components, stats, centres);
  std::vector<cv::Rect> boxes;
  for (int i = 1; i < count; ++i) {  // 0 is everything else
    const int* of = stats.ptr<int>(i);
    if (of[cv::CC_STAT_AREA] >= kLeastComponent * static_cast<double>(predicted.total()))
      boxes.emplace_back(of[cv::CC_STAT_LEFT], of[cv::CC_STAT_TOP], of[cv::CC_STAT_WIDTH],
                         of[cv::CC_STAT_HEIGHT]);
  }
  if (boxes.empty()) return random_box(predicted.size(), kRandomShare, random);
  return boxes[random.below(boxes.size())];
}

void paste_box(MixImages& to, std::int64_t row_to, const MixImages& from, std::int64_t row_from,
               cv::Rect box_px) {
  const auto paste = [&](const at::Tensor& into, const at::Tensor& piece) {
    boxed(into, row_to, box_px).copy_(boxed(piece, row_from, box_px));
  };
  paste(to.image_nhwc, from.image_nhwc);
  paste(to.pseudo.label_nhw, from.pseudo.label_nhw);
  paste(to.pseudo.confidence_nhw, from.pseudo.confidence_nhw);
}

void cutmix(MixImages& images, double share, config::Random& random) {
  const std::int64_t n = images.image_nhwc.size(0);
  if (share <= 0 || n < 2) return;
  const cv::Size size(static_cast<int>(images.image_nhwc.size(2)),
                      static_cast<int>(images.image_nhwc.size(1)));
  const MixImages before{images.image_nhwc.clone(),
                         {images.pseudo.label_nhw.clone(), images.pseudo.confidence_nhw.clone()}};
  for (std::int64_t i = 0; i < n; ++i)
    paste_box(images, i, before, (i + 1) % n, random_box(size, share, random));
}

}  // namespace driftloop::adapt
