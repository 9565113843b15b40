#include "daemon/report/pictures.h"

#include <algorithm>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::daemon {
namespace {

constexpr int kMaxWidthPx = 640;
constexpr int kJpegQuality = 85;
constexpr double kDimmed = 0.5;
constexpr double kFaded = 0.35;  // of the grey image under labels; the rest is white
constexpr int kFramesPerWidth =
    250;  // a frame stays visible when the image is shown a third of the page wide
constexpr double kClassWeight = 0.6;
const cv::Scalar kBetterRgb(0, 121, 91), kWorseRgb(230, 120, 0);
const cv::Scalar kFrameRgb(255, 221, 0);  // yellow stands out of streets and of the class colours

void check_rgb(const cv::Mat& rgb) {
  DL_CHECK(!rgb.empty() && rgb.type() == CV_8UC3, rgb.type(), rgb.size());
}

void check_labels(const cv::Mat& rgb, const cv::Mat& labels) {
  check_rgb(rgb);
  DL_CHECK(labels.type() == CV_8UC1 && labels.size() == rgb.size(), labels.type(), labels.size(), rgb.size());
}

Panel coded(const std::string& name, const std::string& suffix, const cv::Mat& rgb,
            cv::InterpolationFlags scaling) {
  check_rgb(rgb);
  cv::Mat image = rgb;
  if (image.cols > kMaxWidthPx) {
    const int height = std::max(1, image.rows * kMaxWidthPx / image.cols);
    cv::resize(rgb, image, {kMaxWidthPx, height}, 0, 0, scaling);
  }
  cv::Mat bgr;
  cv::cvtColor(image, bgr, cv::COLOR_RGB2BGR);
  std::vector<unsigned char> bytes;
  const std::vector<int> settings = suffix == ".jpg"
                                        ? std::vector<int>{cv::IMWRITE_JPEG_QUALITY, kJpegQuality}
                                        : std::vector<int>{cv::IMWRITE_PNG_COMPRESSION, 9};
  DL_CHECK(cv::imencode(suffix, bgr, bytes, settings), name, suffix, bgr.size());
  return {name, suffix, std::string(bytes.begin(), bytes.end())};
}

/// Grey and nearly white, for colours to stand out of.
cv::Mat faded(const cv::Mat& rgb) {
  cv::Mat grey, out;
  cv::cvtColor(rgb, grey, cv::COLOR_RGB2GRAY);
  grey.convertTo(grey, -1, kFaded, 255.0 * (1.0 - kFaded));
  cv::cvtColor(grey, out, cv::COLOR_GRAY2RGB);
  return out;
}

}  // namespace

Panel photo(const std::string& name, const cv::Mat& rgb) {
  return coded(name, ".jpg", rgb, cv::INTER_AREA);
}

Panel mask(const std::string& name, const cv::Mat& rgb) {
  return coded(name, ".png", rgb, cv::INTER_NEAREST);
}

cv::Mat overlay_regions(const cv::Mat& rgb, const std::vector<cv::Rect>& boxes) {
  check_rgb(rgb);
  const cv::Rect whole(0, 0, rgb.cols, rgb.rows);
  const int thickness = std::max(1, rgb.cols / kFramesPerWidth);
  cv::Mat out;
  rgb.convertTo(out, -1, kDimmed);
  for (const cv::Rect& box : boxes)
    if (const cv::Rect grown =
            (box + cv::Size(2 * thickness, 2 * thickness) - cv::Point(thickness, thickness)) & whole;
        !grown.empty())
      out(grown).setTo(kFrameRgb);
  for (const cv::Rect& box : boxes)
    if (const cv::Rect inside = box & whole; !inside.empty()) rgb(inside).copyTo(out(inside));
  return out;
}

cv::Mat overlay_classes(const cv::Mat& rgb, const cv::Mat& train_ids_hw) {
  check_labels(rgb, train_ids_hw);
  cv::Mat blended;
  cv::addWeighted(config::colourise_rgb(train_ids_hw), kClassWeight, rgb, 1.0 - kClassWeight, 0.0, blended);
  rgb.copyTo(blended, train_ids_hw == config::kIgnore);
  return blended;
}

cv::Mat overlay_change(const cv::Mat& rgb, const cv::Mat& better, const cv::Mat& worse) {
  check_labels(rgb, better);
  check_labels(rgb, worse);
  cv::Mat out = faded(rgb);
  out.setTo(kBetterRgb, better);
  out.setTo(kWorseRgb, worse);
  return out;
}

cv::Mat close_up(const cv::Mat& rgb, const cv::Rect& box) {
  check_rgb(rgb);
  const cv::Rect whole(0, 0, rgb.cols, rgb.rows);
  DL_CHECK(!box.empty() && (box & whole) == box, box, rgb.size());
  const double least = std::max(1.0 * box.width / rgb.cols, 1.0 * box.height / rgb.rows);
  const double share = std::clamp(7.0 * box.height / rgb.rows, least, 1.0);
  const cv::Size size(std::max(box.width, static_cast<int>(share * rgb.cols)),
                      std::max(box.height, static_cast<int>(share * rgb.rows)));
  const cv::Point middle = (box.tl() + box.br()) / 2;
  const cv::Rect around({std::clamp(middle.x - size.width / 2, 0, rgb.cols - size.width),
                         std::clamp(middle.y - size.height / 2, 0, rgb.rows - size.height)},
                        size);
  const int times = std::max(1, kMaxWidthPx / around.width);
  cv::Mat out;
  cv::resize(rgb(around), out, {}, times, times, cv::INTER_CUBIC);
  const cv::Rect inside((box.x - around.x) * times, (box.y - around.y) * times, box.width * times,
                        box.height * times);
  cv::rectangle(out, inside, kFrameRgb, std::max(2, out.cols / kFramesPerWidth));
  return out;
}

cv::Mat overlay_labels(const cv::Mat& rgb, const cv::Mat& train_ids_hw) {
  check_labels(rgb, train_ids_hw);
  cv::Mat out = faded(rgb);
  config::colourise_rgb(train_ids_hw).copyTo(out, train_ids_hw != config::kIgnore);
  return out;
}

cv::Mat colour_map(const cv::Mat& score_hw) {
  DL_CHECK(!score_hw.empty() && score_hw.channels() == 1 && score_hw.depth() >= CV_32F, score_hw.type());
  cv::Mat score;
  score_hw.convertTo(score, CV_32F);
  // inf - inf and NaN - NaN are NaN, and NaN is not equal to itself.
  const cv::Mat difference = score - score;
  const cv::Mat finite = difference == difference;
  double low = 0.0, high = 0.0;
  if (cv::countNonZero(finite) > 0) cv::minMaxLoc(score, &low, &high, nullptr, nullptr, finite);
  cv::Mat levels(score.size(), CV_32F, cv::Scalar(low)), bgr, rgb;
  score.copyTo(levels, finite);
  const double scale = high > low ? 255.0 / (high - low) : 0.0;
  levels.convertTo(levels, CV_8U, scale, -low * scale);
  cv::applyColorMap(levels, bgr, cv::COLORMAP_VIRIDIS);
  cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  rgb.setTo(cv::Scalar::all(0), ~finite);
  return rgb;
}

}  // namespace driftloop::daemon
