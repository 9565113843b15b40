#include "adapt/eval/views.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "adapt/data/augment.h"
#include "adapt/preprocessing.h"
#include "config/check.h"

namespace driftloop::adapt {

void describe(config::Fields& f, EvalOptions& o) {
  f.field("window_px", o.window_px, {0, 8192},
          "the net sees square windows of this side, in working pixels; the paper has 769; 0 = whole images");
  f.field("stride_px", o.stride_px, {0, 8192},
          "from one window to the next; 0 = two thirds of a window, as in the paper");
  f.field("multi_scale", o.multi_scale,
          "images are seen at 0.5, 0.75, 1, 1.25, 1.5 and 1.75 of their size, and the mean counts");
  f.field("flip", o.flip, "images are seen mirrored, too, and the mean counts");
}

namespace {

constexpr std::array kScales{0.5, 0.75, 1.0, 1.25, 1.5, 1.75};  // of the usual multi-scale test

/// Logits (C, h, w) of an image of the size that the net is to see.
at::Tensor logits_in_windows(const PlacedNet& net, const cv::Mat& seen, const EvalOptions& options) {
  const int window = options.window_px;
  if (window == 0) return net.logits_as_it_is(seen);
  const int stride = options.stride_px > 0 ? options.stride_px : (2 * window + 2) / 3;
  at::Tensor sum, count;
  for (const int y : window_starts(seen.rows, window, stride))
    for (const int x : window_starts(seen.cols, window, stride)) {
      const cv::Rect box = cv::Rect(x, y, window, window) & cv::Rect(0, 0, seen.cols, seen.rows);
      const auto logits = net.logits_as_it_is(seen(box).clone());
      if (!sum.defined()) {
        sum = at::zeros({logits.size(0), seen.rows, seen.cols}, logits.options());
        count = at::zeros({seen.rows, seen.cols}, logits.options());
      }
      const auto part = [&](const at::Tensor& map, int dim) {
        return map.narrow(dim, box.y, box.height).narrow(dim + 1, box.x, box.width);
      };
      part(sum, 1).add_(logits);
      part(count, 0).add_(1);
    }
  return sum.div_(count);
}

}  // namespace

std::vector<int> window_starts(int side_px, int window_px, int stride_px) {
  DL_CHECK(side_px > 0 && window_px > 0 && stride_px > 0, side_px, window_px, stride_px);
  std::vector<int> starts{0};
  while (starts.back() + window_px < side_px)
    starts.push_back(std::min(starts.back() + stride_px, side_px - window_px));
  return starts;
}

at::Tensor probabilities_of_views(const PlacedNet& net, const cv::Mat& image_rgb,
                                  const EvalOptions& options) {
  const torch::NoGradGuard no_grad;
  if (options.window_px > 0 && options.window_px < kLeastSidePx)
    throw Error("windows of " + std::to_string(options.window_px) + " px are too small for a net: at least " +
                std::to_string(kLeastSidePx) + ", or 0 for whole images");
  if (options.window_px > 0 && options.stride_px > options.window_px)
    throw Error("windows of " + std::to_string(options.window_px) + " px every " +
                std::to_string(options.stride_px) + " px leave gaps: a stride of at most the window's side");
  const int own = net.spec().work_long_side_px > 0 ? net.spec().work_long_side_px
                                                   : std::max(image_rgb.cols, image_rgb.rows);
  at::Tensor sum;
  int views = 0;
  for (const double scale : kScales) {
    if (!options.multi_scale && scale != 1) continue;
    const cv::Mat seen = to_working_size(static_cast<int>(std::lround(own * scale)), image_rgb);
    if (std::min(seen.rows, seen.cols) < kLeastSidePx)
      throw Error("at " + std::to_string(seen.cols) + 'x' + std::to_string(seen.rows) +
                  " px an image is too small for a net: do without multi_scale");
    for (const bool mirrored : {false, true}) {
      if (mirrored && !options.flip) continue;
      cv::Mat view = seen;
      if (mirrored) cv::flip(seen, view, 1);
      auto logits = logits_in_windows(net, view, options);
      if (mirrored) logits = logits.flip(2);
      const auto probabilities = net.enlarged(logits, image_rgb.size()).softmax(0);
      sum = views++ == 0 ? probabilities : sum.add_(probabilities);
    }
  }
  return sum.div_(views);
}

}  // namespace driftloop::adapt
