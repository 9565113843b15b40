#include "adapt/data/augment.h"

#include <cmath>
#include <opencv2/imgproc.hpp>

#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

/// Where one side of the crop starts, so that a view of `side` holds `crop` of it or lies wholly inside; with
/// `point` >= 0 that pixel is inside.
int crop_start(config::Random& random, int side, int crop, int point) {
  int low = std::min(0, side - crop), high = std::max(0, side - crop);
  if (point >= 0) {
    low = std::max(low, point - crop + 1);
    high = std::min(high, point);
  }
  return random.between(low, high);
}

/// The part of an image of `image_px` that lies under `part` when the image is resized to `resized_px`, to
/// whole pixels: the view's scale is then off by less than a pixel of the image over the whole crop.
cv::Rect in_pixels_of(cv::Size image_px, cv::Size resized_px, const cv::Rect& part) {
  const double across = static_cast<double>(image_px.width) / resized_px.width,
               down = static_cast<double>(image_px.height) / resized_px.height;
  const cv::Point first(cvFloor(part.x * across), cvFloor(part.y * down));
  const cv::Point end(std::min(image_px.width, cvCeil(part.br().x * across)),
                      std::min(image_px.height, cvCeil(part.br().y * down)));
  return {first, end};
}

View crop_around(const InputOptions& o, const View& view, config::Random& random, cv::Point2d point) {
  const bool grow = random.chance(0.5);
  const double scale = grow ? random.uniform(1, o.scale_max) : random.uniform(o.scale_min, 1);
  const cv::Size work = working_size(o.work_long_side_px, view.image_rgb.size());
  const cv::Size size(std::max(1, cvRound(work.width * scale)), std::max(1, cvRound(work.height * scale)));
  const int px = point.x < 0 ? -1 : std::min(size.width - 1, static_cast<int>(point.x * size.width));
  const int py = point.y < 0 ? -1 : std::min(size.height - 1, static_cast<int>(point.y * size.height));
  const int x0 = crop_start(random, size.width, o.crop_width_px, px),
            y0 = crop_start(random, size.height, o.crop_height_px, py);
  const bool flip = random.chance(0.5);

  const cv::Rect wanted(x0, y0, o.crop_width_px, o.crop_height_px);
  const cv::Rect inside = wanted & cv::Rect({0, 0}, size);
  const cv::Rect target(inside.x - x0, inside.y - y0, inside.width, inside.height);
  View cropped{
      cv::Mat(wanted.height, wanted.width, CV_8UC3, cv::Scalar(kMean[0], kMean[1], kMean[2])), {}, target};
  // Cut out, then resized: a crop of a large image costs what the crop costs.
  const cv::Rect cut = in_pixels_of(view.image_rgb.size(), size, inside);
  const bool shrinks = size.width < view.image_rgb.cols;
  cv::resize(view.image_rgb(cut), cropped.image_rgb(target), inside.size(), 0, 0,
             shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  if (!view.label.empty()) {
    cropped.label = cv::Mat(wanted.height, wanted.width, CV_8UC1, cv::Scalar(config::kIgnore));
    cv::resize(view.label(cut), cropped.label(target), inside.size(), 0, 0, cv::INTER_NEAREST);
  }
  if (flip) {
    cv::flip(cropped.image_rgb, cropped.image_rgb, 1);
    if (!cropped.label.empty()) cv::flip(cropped.label, cropped.label, 1);
    cropped.content_px.x = wanted.width - target.x - target.width;
  }
  return cropped;
}

}  // namespace

cv::Size working_size(int long_side_px, cv::Size size_px) {
  const int long_side = std::max(size_px.width, size_px.height);
  if (long_side_px == 0 || long_side == long_side_px) return size_px;
  const double scale = static_cast<double>(long_side_px) / long_side;
  return {std::max(1, cvRound(size_px.width * scale)), std::max(1, cvRound(size_px.height * scale))};
}

cv::Mat to_working_size(int long_side_px, const cv::Mat& image_rgb) {
  const cv::Size work = working_size(long_side_px, image_rgb.size());
  if (work == image_rgb.size()) return image_rgb;
  cv::Mat resized;
  cv::resize(image_rgb, resized, work, 0, 0, work.width < image_rgb.cols ? cv::INTER_AREA : cv::INTER_LINEAR);
  return resized;
}

View random_crop(const InputOptions& options, const View& view, config::Random& random) {
  return crop_around(options, view, random, {-1, -1});
}

View random_crop_on_label(const InputOptions& options, const View& view, config::Random& random) {
  std::vector<cv::Point> labelled;
  cv::findNonZero(view.label != config::kIgnore, labelled);
  if (labelled.empty()) return random_crop(options, view, random);
  const cv::Point chosen = labelled[random.below(labelled.size())];
  return crop_around(options, view, random,
                     {(chosen.x + 0.5) / view.label.cols, (chosen.y + 0.5) / view.label.rows});
}

cv::Mat jitter(const cv::Mat& image_rgb, double strength, config::Random& random) {
  if (strength <= 0) return image_rgb;
  const auto around_one = [&](double spread) { return std::exp(random.uniform(-spread, spread) * strength); };
  cv::Mat hsv, changed;
  cv::cvtColor(image_rgb, hsv, cv::COLOR_RGB2HSV);
  const int hue = static_cast<int>(random.uniform(-8, 8) * strength) + 180;  // OpenCV hue: 0..179
  const double saturation = around_one(0.7);
  hsv.forEach<cv::Vec3b>([&](cv::Vec3b& p, const int*) {
    p[0] = static_cast<std::uint8_t>((p[0] + hue) % 180);
    p[1] = cv::saturate_cast<std::uint8_t>(p[1] * saturation);
  });
  cv::cvtColor(hsv, changed, cv::COLOR_HSV2RGB);
  const double gain = around_one(0.5), cast = 0.12 * strength;
  const double offset = random.uniform(-35, 35) * strength;
  cv::Mat real;
  changed.convertTo(real, CV_32FC3, gain, offset);
  cv::Scalar tint;
  for (int c = 0; c < 3; ++c) tint[c] = 1 + random.uniform(-cast, cast);
  cv::multiply(real, tint, real);
  if (random.chance(0.5 * strength)) cv::GaussianBlur(real, real, {}, random.uniform(0.3, 1.3));
  if (random.chance(0.5 * strength)) {
    const auto deviation = static_cast<float>(random.uniform(2, 14) * strength);
    for (int y = 0; y < real.rows; ++y) {
      auto* value = real.ptr<float>(y);
      for (int i = 0; i < 3 * real.cols; ++i) value[i] += deviation * random.near_normal();
    }
  }
  real.convertTo(changed, CV_8UC3);
  return changed;
}

}  // namespace driftloop::adapt
