#include "daemon/report/pictures.h"

#include <gtest/gtest.h>

#include <limits>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "config/check.h"
#include "config/label_space.h"

namespace driftloop::daemon {
namespace {

cv::Mat decode_rgb(const Panel& panel) {
  const std::vector<unsigned char> bytes(panel.bytes.begin(), panel.bytes.end());
  cv::Mat bgr = cv::imdecode(bytes, cv::IMREAD_COLOR), rgb;
  cv::cvtColor(bgr, rgb, cv::COLOR_BGR2RGB);
  return rgb;
}

cv::Vec3b at(const cv::Mat& image, int y, int x) {
  return image.at<cv::Vec3b>(y, x);
}

TEST(Pictures, MasksKeepEveryColourAndItsOrder) {
  cv::Mat labels(8, 16, CV_8UC1);
  for (int x = 0; x < 16; ++x) labels.col(x).setTo(x);
  const cv::Mat colours = config::colourise_rgb(labels);
  const Panel panel = mask("prediction", colours);
  EXPECT_EQ(panel.suffix, ".png");
  EXPECT_EQ(cv::norm(decode_rgb(panel), colours, cv::NORM_INF), 0.0);
}

TEST(Pictures, PhotosAreRgbJpegsOfAtMost640Pixels) {
  const Panel panel = photo("frame", cv::Mat(720, 1280, CV_8UC3, cv::Scalar(200, 30, 10)));
  const cv::Mat back = decode_rgb(panel);
  EXPECT_EQ(panel.suffix, ".jpg");
  EXPECT_EQ(back.size(), cv::Size(640, 360));
  EXPECT_NEAR(at(back, 100, 100)[0], 200, 6);
  EXPECT_NEAR(at(back, 100, 100)[2], 10, 6);
  EXPECT_EQ(decode_rgb(photo("small", cv::Mat(90, 120, CV_8UC3, cv::Scalar::all(9)))).size(),
            cv::Size(120, 90));
}

TEST(Pictures, RegionsAreLightFramedAndClipped) {
  const cv::Mat image(60, 80, CV_8UC3, cv::Scalar(100, 110, 120));
  const cv::Mat out = overlay_regions(image, {{10, 10, 8, 8}, {76, 56, 20, 20}, {200, 200, 8, 8}});
  EXPECT_EQ(at(out, 12, 12), cv::Vec3b(100, 110, 120));
  EXPECT_EQ(at(out, 9, 12), cv::Vec3b(255, 221, 0));
  EXPECT_EQ(at(out, 59, 79), cv::Vec3b(100, 110, 120));
  EXPECT_EQ(at(out, 40, 40), cv::Vec3b(50, 55, 60));
  EXPECT_EQ(at(image, 9, 12), cv::Vec3b(100, 110, 120));  // the caller's image is untouched
}

TEST(Pictures, ClassesAreBlendedAndIgnoredPixelsShowTheImage) {
  const cv::Mat image(4, 4, CV_8UC3, cv::Scalar(100, 100, 100));
  cv::Mat labels(4, 4, CV_8UC1, cv::Scalar(0));  // road: 128, 64, 128
  labels.at<std::uint8_t>(0, 0) = config::kIgnore;
  const cv::Mat out = overlay_classes(image, labels);
  EXPECT_EQ(at(out, 0, 0), cv::Vec3b(100, 100, 100));
  EXPECT_EQ(at(out, 1, 1), cv::Vec3b(117, 78, 117));
  EXPECT_THROW(overlay_classes(image, cv::Mat(2, 2, CV_8UC1, cv::Scalar(0))), CheckError);
}

TEST(Pictures, LabelsStandOutOfAGreyImage) {
  const cv::Mat image(4, 4, CV_8UC3, cv::Scalar(200, 20, 20));
  cv::Mat labels(4, 4, CV_8UC1, cv::Scalar(config::kIgnore));
  labels.at<std::uint8_t>(2, 2) = 0;
  const cv::Mat out = overlay_labels(image, labels);
  EXPECT_EQ(at(out, 2, 2), cv::Vec3b(128, 64, 128));
  EXPECT_EQ(at(out, 0, 0)[0], at(out, 0, 0)[2]);
  EXPECT_GT(at(out, 0, 0)[0], 160);
}

TEST(Pictures, ChangesStandOutOfAGreyImage) {
  const cv::Mat image(4, 4, CV_8UC3, cv::Scalar(200, 20, 20));
  cv::Mat better = cv::Mat::zeros(4, 4, CV_8UC1), worse = better.clone();
  better.at<std::uint8_t>(1, 1) = worse.at<std::uint8_t>(2, 2) = 255;
  const cv::Mat out = overlay_change(image, better, worse);
  EXPECT_EQ(at(out, 1, 1), cv::Vec3b(0, 121, 91));
  EXPECT_EQ(at(out, 2, 2), cv::Vec3b(230, 120, 0));
  EXPECT_EQ(at(out, 0, 0)[0], at(out, 0, 0)[2]);
}

TEST(Pictures, ACloseUpEnlargesTheBoxAndItsNeighbourhoodWithinTheImage) {
  cv::Mat image(60, 80, CV_8UC3, cv::Scalar(10, 10, 10));
  image(cv::Rect(0, 0, 8, 8)).setTo(cv::Scalar(200, 200, 200));
  const cv::Mat out = close_up(image, {0, 0, 8, 8});  // in a corner: 74 x 56 of the image, 8 times
  EXPECT_EQ(out.size(), cv::Size(592, 448));
  EXPECT_EQ(at(out, 30, 30), cv::Vec3b(200, 200, 200));
  EXPECT_EQ(at(out, 300, 300), cv::Vec3b(10, 10, 10));
  EXPECT_EQ(at(out, 64, 30), cv::Vec3b(255, 221, 0));                     // the frame
  EXPECT_EQ(close_up(image, {4, 4, 70, 50}).size(), cv::Size(640, 480));  // nearly all of it
  EXPECT_EQ(close_up(image, {70, 0, 8, 60}).size(), cv::Size(640, 480));
  EXPECT_THROW(close_up(image, {76, 0, 8, 8}), CheckError);
}

TEST(Pictures, ScoresRunFromDarkBlueToYellowAndGapsAreBlack) {
  const float inf = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const cv::Mat score = (cv::Mat_<float>(1, 5) << 0.2F, 0.9F, nan, inf, -inf);
  const cv::Mat out = colour_map(score);
  EXPECT_EQ(at(out, 0, 0), cv::Vec3b(68, 1, 84));     // viridis, lowest
  EXPECT_EQ(at(out, 0, 1), cv::Vec3b(253, 231, 37));  // and highest
  for (int x = 2; x < 5; ++x) EXPECT_EQ(at(out, 0, x), cv::Vec3b(0, 0, 0));
  EXPECT_EQ(at(colour_map(cv::Mat(2, 2, CV_32F, cv::Scalar(3))), 1, 1), cv::Vec3b(68, 1, 84));
  EXPECT_EQ(at(colour_map(cv::Mat(2, 2, CV_64F, cv::Scalar(nan))), 1, 1), cv::Vec3b(0, 0, 0));
}

}  // namespace
}  // namespace driftloop::daemon
