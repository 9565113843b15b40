#include "adapt/data/augment.h"

#include <opencv2/imgproc.hpp>

#include "config/check.h"
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
  cv::Mat resized;
  const bool shrinks = size.width < view.image_rgb.cols;
  cv::resize(view.image_rgb, resized, size, 0, 0, shrinks ? cv::INTER_AREA : cv::INTER_LINEAR);
  resized(inside).copyTo(cropped.image_rgb(target));
  if (!view.label.empty()) {
    cropped.label = cv::Mat(wanted.height, wanted.width, CV_8UC1, cv::Scalar(config::kIgnore));
    cv::resize(view.label, resized, size, 0, 0, cv::INTER_NEAREST);
    resized(inside).copyTo(cropped.label(target));
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

at::Tensor images_to_tensor(const std::vector<cv::Mat>& images_rgb) {
  DL_CHECK(!images_rgb.empty());
  const int height = images_rgb[0].rows, width = images_rgb[0].cols;
  auto batch = at::empty({static_cast<std::int64_t>(images_rgb.size()), height, width, 3}, at::kByte);
  auto* out = batch.data_ptr<std::uint8_t>();
  for (const cv::Mat& image : images_rgb) {
    DL_CHECK(image.type() == CV_8UC3 && image.rows == height && image.cols == width, image.rows, image.cols);
    image.copyTo(cv::Mat(height, width, CV_8UC3, out));
    out += image.total() * image.elemSize();
  }
  return batch;
}

at::Tensor labels_to_tensor(const std::vector<cv::Mat>& labels) {
  DL_CHECK(!labels.empty());
  std::vector<at::Tensor> maps;
  for (const cv::Mat& label : labels) {
    DL_CHECK(label.type() == CV_8UC1 && label.isContinuous(), label.type());
    maps.push_back(torch::from_blob(label.data, {label.rows, label.cols}, torch::kUInt8).to(torch::kInt64));
  }
  return torch::stack(maps);
}

at::Tensor padding_to_tensor(const std::vector<cv::Rect>& contents_px, cv::Size crop) {
  const cv::Rect whole({0, 0}, crop);
  if (std::all_of(contents_px.begin(), contents_px.end(), [&](const auto& box) { return box == whole; }))
    return {};
  auto padding =
      at::ones({static_cast<std::int64_t>(contents_px.size()), crop.height, crop.width}, at::kBool);
  for (std::size_t i = 0; i < contents_px.size(); ++i) {
    const cv::Rect& box = contents_px[i];
    padding[static_cast<std::int64_t>(i)]
        .narrow(0, box.y, box.height)
        .narrow(1, box.x, box.width)
        .fill_(false);
  }
  return padding;
}

}  // namespace driftloop::adapt
