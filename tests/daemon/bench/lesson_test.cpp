// The first picture of a report is computed from the maps, and does not flatter.
#include "daemon/bench/lesson.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/label_space.h"

namespace driftloop::daemon {
namespace {
using testing::HasSubstr;
using testing::Not;

constexpr int kRoad = 0, kBuilding = 2, kCar = 13;

/// Road everywhere, with 10 rows of car; the net takes `wrong_before` and `wrong_after` of these rows for
/// building.
FrameStory story(const std::string& id, int wrong_before, int wrong_after) {
  const cv::Mat road(40, 60, CV_8UC1, cv::Scalar(kRoad));
  FrameStory s{
      id, cv::Mat(40, 60, CV_8UC3, cv::Scalar(90, 100, 110)), road.clone(), road.clone(), road.clone(), {}};
  for (cv::Mat* map : {&s.before, &s.after, &s.truth}) map->rowRange(10, 20).setTo(kCar);
  if (wrong_before > 0) s.before.rowRange(10, 10 + wrong_before).setTo(kBuilding);
  if (wrong_after > 0) s.after.rowRange(10, 10 + wrong_after).setTo(kBuilding);
  return s;
}

TEST(Lesson, IsTheFrameAndClassInWhichMostWasPutRight) {
  std::vector<FrameStory> stories = {story("little", 3, 1), story("much", 8, 1), story("nothing", 5, 5)};
  for (FrameStory& s : stories) s.asked = {{30, 30, 8, 8}, {4, 11, 8, 8}, {20, 12, 8, 8}};
  const auto lesson = find_lesson(stories);
  ASSERT_TRUE(lesson);
  EXPECT_EQ(stories[lesson->frame].id, "much");
  EXPECT_EQ(lesson->train_id, kCar);
  EXPECT_EQ(lesson->taken_for, kBuilding);
  EXPECT_EQ(lesson->put_right, 7 * 60);
  EXPECT_EQ(lesson->spoilt, 0);
  EXPECT_EQ(lesson->region, cv::Rect(4, 11, 8, 8));  // of the two of car the one that was more wrong

  const Picture picture = lesson_picture(stories[lesson->frame], *lesson, stories.size());
  EXPECT_THAT(picture.caption,
              HasSubstr("420 pixels of car that the net got wrong before, most of them as building"));
  EXPECT_THAT(picture.caption, HasSubstr("the one of 3 looked at"));
  EXPECT_THAT(picture.caption, HasSubstr("took it for building, the answer was car"));
  EXPECT_THAT(picture.caption, HasSubstr("80 % were right before and 98 % are now"));
  EXPECT_THAT(picture.caption, Not(HasSubstr("are wrong")));
  EXPECT_EQ(picture.panels.size(), 6u);
}

TEST(Lesson, WhatWasSpoiltIsCountedAndSaid) {
  std::vector<FrameStory> stories = {story("both", 8, 0)};
  stories[0].asked = {{4, 11, 8, 8}};
  stories[0].before.row(19).setTo(kCar);
  stories[0].after.row(19).setTo(kRoad);
  const auto lesson = find_lesson(stories);
  ASSERT_TRUE(lesson);
  EXPECT_EQ(lesson->put_right, 8 * 60);
  EXPECT_EQ(lesson->spoilt, 60);
  EXPECT_THAT(lesson_picture(stories[0], *lesson, 1).caption, HasSubstr("; 60 that were right are wrong"));
}

TEST(Lesson, NothingIsShownWhereNothingGotBetterOrNoRegionTaughtIt) {
  std::vector<FrameStory> stories = {story("worse", 2, 6)};
  stories[0].asked = {{4, 11, 8, 8}};
  EXPECT_FALSE(find_lesson(stories));
  stories = {story("better, but only road was asked for", 8, 0)};
  stories[0].asked = {{30, 30, 8, 8}};
  EXPECT_FALSE(find_lesson(stories));
  EXPECT_FALSE(find_lesson({}));
}

TEST(Lesson, PixelsThatNobodyCouldTellDoNotCount) {
  std::vector<FrameStory> stories = {story("ignored", 8, 0)};
  stories[0].asked = {{4, 11, 8, 8}};
  stories[0].truth.rowRange(10, 16).setTo(config::kIgnore);
  const auto lesson = find_lesson(stories);
  ASSERT_TRUE(lesson);
  EXPECT_EQ(lesson->put_right, 2 * 60);
}

}  // namespace
}  // namespace driftloop::daemon
