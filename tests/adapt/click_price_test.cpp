#include "adapt/click_price.h"

#include <gtest/gtest.h>

namespace driftloop::adapt {
namespace {

/// `halves` images, 64x32, of which the left half is one class and the right half another.
class Halves final : public Dataset {
 public:
  Halves(std::size_t images, int left, int right)
      : images_(images), label_(32, 64, CV_8UC1, cv::Scalar(left)) {
    label_(cv::Rect(32, 0, 32, 32)).setTo(right);
  }
  std::size_t size() const override { return images_; }
  const std::string& id(std::size_t) const override { return id_; }
  std::string group(std::size_t) const override { return ""; }
  cv::Mat image_rgb(std::size_t) const override { return cv::Mat::zeros(32, 64, CV_8UC3); }
  cv::Mat label(std::size_t) const override { return label_; }

 private:
  std::size_t images_;
  cv::Mat label_;
  std::string id_ = "halves";
};

const config::LabelSpace& all() {
  return config::label_space("cityscapes19");
}

TEST(ClickPriceTest, IsTheShareOfTilesAcrossABorder) {
  const Halves halves(40, 0, 2);
  EXPECT_EQ(click_price(halves, all(), 1.0 / 64), 1) << "a point holds one class";
  // A tile of 16 begins at one of 49 places, at 15 of them it holds both: 1.31; 512 tiles, 3 sigma are 0.06.
  EXPECT_NEAR(click_price(halves, all(), 16.0 / 64), 1 + 15.0 / 49, 0.06);
  EXPECT_NEAR(click_price(halves, all(), 1), 2, 0.1) << "no larger than the image is high";
  EXPECT_EQ(click_price(halves, all(), 0.2), click_price(halves, all(), 0.2));
}

TEST(ClickPriceTest, ClassesThatTheSpaceDoesNotTellApartAreOne) {
  EXPECT_EQ(click_price(Halves(3, 13, 14), config::label_space("camvid11"), 0.5), 1) << "car and truck";
  EXPECT_EQ(click_price(Halves(3, 255, 13), all(), 0.5), 1) << "what nobody can tell is not named";
}

TEST(ClickPriceTest, WithoutImagesItIsOne) {
  EXPECT_EQ(click_price(Halves(0, 0, 0), all(), 0.5), 1);
}

}  // namespace
}  // namespace driftloop::adapt
