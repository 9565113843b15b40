#include "adapt/eval/confusion.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

TEST(Confusion, CountsByHand) {
  Confusion confusion(3);
  confusion.add(at::tensor({0, 0, 1, 2, 0}, at::kByte), at::tensor({0, 1, 1, 255, 255}, at::kByte));
  EXPECT_EQ(confusion.count(0, 0), 1);
  EXPECT_EQ(confusion.count(1, 0), 1);
  EXPECT_EQ(confusion.count(1, 1), 1);
  EXPECT_DOUBLE_EQ(confusion.iou(0), 0.5);
  EXPECT_DOUBLE_EQ(confusion.iou(1), 0.5);
  EXPECT_TRUE(std::isnan(confusion.iou(2)));  // only under ignored labels
  EXPECT_DOUBLE_EQ(confusion.miou(), 0.5);
  EXPECT_DOUBLE_EQ(confusion.pixel_accuracy(), 2.0 / 3.0);
}

TEST(Confusion, MeanIsOverTheGivenClasses) {
  Confusion confusion(3);
  confusion.add(at::tensor({0, 1, 1, 2}, at::kLong), at::tensor({0, 1, 2, 2}, at::kLong));
  const std::array<int, 2> scored{0, 1};
  EXPECT_DOUBLE_EQ(confusion.miou(scored), (1.0 + 0.5) / 2);
  EXPECT_DOUBLE_EQ(confusion.miou(), (1.0 + 0.5 + 0.5) / 3);
}

TEST(Confusion, APredictedClassThatNeverOccursCountsZero) {
  Confusion confusion(2);
  confusion.add(at::tensor({1, 0}, at::kLong), at::tensor({0, 0}, at::kLong));
  EXPECT_DOUBLE_EQ(confusion.iou(1), 0.0);
  EXPECT_DOUBLE_EQ(confusion.miou(), 0.25);
}

TEST(Confusion, PartsAddUp) {
  const auto prediction = at::randint(0, 5, {4, 31, 17}, at::kLong);
  const auto label = at::randint(0, 5, {4, 31, 17}, at::kLong);
  Confusion whole(5);
  whole.add(prediction, label);
  Confusion sum(5);
  for (int i = 0; i < 4; ++i) {
    Confusion part(5);
    part.add(prediction[i], label[i]);
    sum.add(part);
  }
  for (int l = 0; l < 5; ++l)
    for (int p = 0; p < 5; ++p) EXPECT_EQ(sum.count(l, p), whole.count(l, p));
}

TEST(Confusion, NothingCountedIsNotANumber) {
  Confusion confusion(2);
  confusion.add(at::tensor({0, 1}, at::kLong), at::tensor({255, 255}, at::kLong));
  EXPECT_TRUE(std::isnan(confusion.miou()));
  EXPECT_TRUE(std::isnan(confusion.pixel_accuracy()));
}

TEST(Confusion, RefusesValuesThatAreNoClass) {
  Confusion confusion(2);
  EXPECT_THROW(confusion.add(at::tensor({2}, at::kLong), at::tensor({0}, at::kLong)), CheckError);
  EXPECT_THROW(confusion.add(at::tensor({0}, at::kLong), at::tensor({7}, at::kLong)), CheckError);
  EXPECT_THROW(confusion.add(at::tensor({0}, at::kLong), at::tensor({0, 1}, at::kLong)), CheckError);
}

}  // namespace
}  // namespace driftloop::adapt
