#include "capture/gate.h"

#include <gtest/gtest.h>

#include <opencv2/imgproc.hpp>

#include "config/check.h"
#include "tests/capture/capture_support.h"

namespace driftloop::capture {
namespace {

cv::Mat flat(int level) {
  return cv::Mat(192, 320, CV_8UC3, cv::Scalar::all(level));
}

TEST(FrameGateTest, KeepsASharpPictureAndSaysWhy) {
  FrameGate gate({});
  const GateReport report = gate.look(frame_of(scene_rgb(320, 192, 1), "a"));
  EXPECT_EQ(report.verdict, Verdict::keep);
  EXPECT_GT(report.sharpness.value(), 20);
  EXPECT_FALSE(report.difference.has_value());
  EXPECT_EQ(gate.count(Verdict::keep), 1U);
}

TEST(FrameGateTest, BlurIsMeasuredAtOneScale) {
  FrameGate gate({});
  cv::Mat blurred;
  cv::GaussianBlur(scene_rgb(320, 192, 1), blurred, {41, 41}, 12);
  EXPECT_EQ(gate.look(frame_of(blurred, "a")).verdict, Verdict::blurred);
  // The same scene from a camera of six times the pixels is judged alike.
  cv::Mat large, large_blurred;
  cv::resize(scene_rgb(320, 192, 1), large, {1920, 1152}, 0, 0, cv::INTER_CUBIC);
  cv::resize(blurred, large_blurred, {1920, 1152}, 0, 0, cv::INTER_CUBIC);
  EXPECT_EQ(gate.look(frame_of(large_blurred, "b")).verdict, Verdict::blurred);
  EXPECT_EQ(gate.look(frame_of(large, "c")).verdict, Verdict::keep);
  EXPECT_EQ(gate.count(Verdict::blurred), 2U);
}

TEST(FrameGateTest, ASharpPictureOfLowContrastIsNotBlurred) {
  FrameGate gate({});
  cv::Mat night;
  scene_rgb(320, 192, 1).convertTo(night, -1, 0.15, 15);
  EXPECT_EQ(gate.look(frame_of(night, "night")).verdict, Verdict::keep);
}

TEST(FrameGateTest, DarkAndBright) {
  FrameGate gate({});
  EXPECT_EQ(gate.look(frame_of(flat(3), "a")).verdict, Verdict::dark);
  EXPECT_EQ(gate.look(frame_of(flat(252), "b")).verdict, Verdict::bright);
  EXPECT_EQ(gate.count(Verdict::dark), 1U);
  EXPECT_EQ(gate.count(Verdict::bright), 1U);
  EXPECT_EQ(gate.count(Verdict::keep), 0U);
}

TEST(FrameGateTest, CopiesAreThoseOfTheLastKeptFrame) {
  FrameGate gate({});
  cv::Mat first, shifted;
  cv::GaussianBlur(noise_rgb(320, 192, 1), first, {31, 31}, 8);
  cv::normalize(first, first, 0, 255, cv::NORM_MINMAX);
  GateOptions options;
  options.min_sharpness = 0;
  FrameGate copies(options);
  EXPECT_EQ(copies.look(frame_of(first, "a")).verdict, Verdict::keep);
  EXPECT_EQ(copies.look(frame_of(first, "b")).verdict, Verdict::near_copy);
  shifted = first + cv::Scalar::all(1);
  EXPECT_EQ(copies.look(frame_of(shifted, "c")).verdict, Verdict::near_copy);
  // A slow drift: each frame is near the one before, but they are compared with the last kept one.
  int kept = 0;
  for (int i = 1; i <= 12; ++i) {
    cv::Mat drifting = first + cv::Scalar::all(i * 0.5);
    kept += copies.look(frame_of(drifting, "d")).verdict == Verdict::keep;
  }
  EXPECT_GE(kept, 2);
  EXPECT_LE(kept, 4);
}

TEST(FrameGateTest, TheIntervalIsThatOfTheFramesOwnTime) {
  GateOptions options;
  options.min_interval_ns = 1000;
  options.min_difference = 0;
  FrameGate gate(options);
  const cv::Mat image = scene_rgb(320, 192, 1);
  EXPECT_EQ(gate.look(frame_of(image, "a", 0, 5000)).verdict, Verdict::keep);
  EXPECT_EQ(gate.look(frame_of(image, "b", 1, 5999)).verdict, Verdict::too_soon);
  EXPECT_EQ(gate.look(frame_of(image, "c", 2, 6000)).verdict, Verdict::keep);
  // The clock went back an hour: nothing is held up until it has caught up.
  EXPECT_EQ(gate.look(frame_of(image, "d", 3, 6000 - 3'600'000'000'000)).verdict, Verdict::keep);
  EXPECT_EQ(gate.count(Verdict::too_soon), 1U);
}

TEST(FrameGateTest, ZeroSwitchesATestOff) {
  FrameGate gate({0, 0, 255, 0, 0});
  for (const int level : {0, 255, 255})
    EXPECT_EQ(gate.look(frame_of(flat(level), "a")).verdict, Verdict::keep);
}

TEST(FrameGateTest, MistakesAreTold) {
  GateOptions options;
  options.min_brightness = 200;
  options.max_brightness = 100;
  EXPECT_THROW(FrameGate{options}, Error);
  FrameGate gate({});
  EXPECT_THROW((void)gate.look({}), CheckError);
  for (int v = 0; v < kVerdicts; ++v) EXPECT_FALSE(verdict_name(static_cast<Verdict>(v)).empty());
}

}  // namespace
}  // namespace driftloop::capture
