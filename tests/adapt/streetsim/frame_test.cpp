#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>

#include "adapt/data/streetsim/streetsim.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

constexpr int kRoad = 0, kSky = 10;

StreetsimOptions small(const std::string& look = "street") {
  StreetsimOptions o;
  o.width = 160, o.height = 96, o.look = look;
  return o;
}

bool same(const cv::Mat& a, const cv::Mat& b) {
  return a.size() == b.size() && a.type() == b.type() && cv::norm(a, b, cv::NORM_INF) == 0;
}

double agreement(const cv::Mat& a, const cv::Mat& b) {
  return double(cv::countNonZero(a == b)) / double(a.total());
}

std::string refusal(const StreetsimOptions& o) {
  try {
    const Streetsim refused(o);
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(StreetsimFrame, IsAPureFunctionOfOptionsAndIndex) {
  const Streetsim one(small()), other(small());
  const StreetFrame first = one.frame(400);
  (void)one.frame(12);
  const StreetFrame again = one.frame(400), elsewhere = other.frame(400);
  EXPECT_TRUE(same(first.image_rgb, again.image_rgb));
  EXPECT_TRUE(same(first.image_rgb, elsewhere.image_rgb));
  EXPECT_TRUE(same(first.label, elsewhere.label));
}

TEST(StreetsimFrame, IsTheSameFromEveryThread) {
  const Streetsim shared(small("rain"));
  constexpr int kThreads = 4, kFrames = 3;
  std::vector<StreetFrame> seen(kThreads * kFrames);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < kThreads; ++t)
      threads.emplace_back([&, t] {
        for (int i = 0; i < kFrames; ++i) seen[std::size_t(t * kFrames + i)] = shared.frame(i * 31);
      });
  }
  for (int t = 0; t < kThreads; ++t)
    for (int i = 0; i < kFrames; ++i) {
      const StreetFrame here = shared.frame(i * 31);
      EXPECT_TRUE(same(here.image_rgb, seen[std::size_t(t * kFrames + i)].image_rgb)) << t << ' ' << i;
      EXPECT_TRUE(same(here.label, seen[std::size_t(t * kFrames + i)].label)) << t << ' ' << i;
    }
}

TEST(StreetsimFrame, HasExactlyTheSizeAskedFor) {
  for (const cv::Size size : {cv::Size(64, 48), cv::Size(101, 77), cv::Size(257, 49), cv::Size(512, 256)}) {
    StreetsimOptions o = small();
    o.width = size.width, o.height = size.height;
    const StreetFrame f = Streetsim(o).frame(5);
    EXPECT_EQ(f.image_rgb.size(), size);
    EXPECT_EQ(f.label.size(), size);
    EXPECT_EQ(f.image_rgb.type(), CV_8UC3);
    EXPECT_EQ(f.label.type(), CV_8UC1);
  }
}

TEST(StreetsimFrame, ShowsTheSameSceneAtEverySize) {
  StreetsimOptions large = small();
  large.width *= 2, large.height *= 2;
  const Streetsim coarse(small()), fine(large);
  for (int index : {3, 250, 900}) {
    cv::Mat reduced;
    cv::resize(fine.frame(index).label, reduced, {160, 96}, 0, 0, cv::INTER_NEAREST);
    EXPECT_GT(agreement(coarse.frame(index).label, reduced), 0.9) << index;
  }
}

TEST(StreetsimFrame, ChangesLittleFromOneFrameToTheNextAndMuchOverADistance) {
  StreetsimOptions o = small();
  o.speed_m = 0.4;  // 36 km/h at 25 frames a second
  const Streetsim drive(o);
  for (int index = -40; index < 400; index += 23) {
    const StreetFrame now = drive.frame(index), next = drive.frame(index + 1), far = drive.frame(index + 500);
    EXPECT_GT(agreement(now.label, next.label), 0.9) << index;
    EXPECT_LT(agreement(now.label, far.label), 0.9) << index;
    EXPECT_FALSE(same(now.image_rgb, next.image_rgb)) << index;
  }
}

TEST(StreetsimFrame, AnotherSeedIsAnotherTown) {
  StreetsimOptions o = small();
  const cv::Mat here = Streetsim(o).frame(0).label;
  o.seed = 2;
  EXPECT_LT(agreement(here, Streetsim(o).frame(0).label), 0.9);
}

TEST(StreetsimFrame, SkyIsAboveTheHorizonAndRoadBelow) {
  for (const std::string& look : streetsim_looks()) {
    const Streetsim sim(small(look));
    double sky_below = 0, road_above = 0, sky = 0, road = 0;
    for (int i = 0; i < 20; ++i) {
      const cv::Mat label = sim.frame(i * 61).label;
      const cv::Mat above = label.rowRange(0, 38), below = label.rowRange(54, 96);
      sky += cv::countNonZero(label == kSky), road += cv::countNonZero(label == kRoad);
      sky_below += cv::countNonZero(below == kSky), road_above += cv::countNonZero(above == kRoad);
    }
    EXPECT_GT(sky, 0) << look;
    EXPECT_GT(road, 0) << look;
    EXPECT_EQ(sky_below, 0) << look;
    EXPECT_EQ(road_above, 0) << look;
  }
}

/// Mean step of the picture where the mask, moved by (dx, dy), has the edge of the sky.
double step_along_mask(const StreetFrame& f, int dx, int dy) {
  cv::Mat grey, gx, gy, magnitude, edge, moved;
  cv::cvtColor(f.image_rgb, grey, cv::COLOR_RGB2GRAY);
  cv::Sobel(grey, gx, CV_32F, 1, 0);
  cv::Sobel(grey, gy, CV_32F, 0, 1);
  cv::magnitude(gx, gy, magnitude);
  cv::morphologyEx(f.label == kSky, edge, cv::MORPH_GRADIENT, cv::Mat::ones(3, 3, CV_8U));
  const cv::Mat shift = (cv::Mat_<double>(2, 3) << 1, 0, dx, 0, 1, dy);
  cv::warpAffine(edge, moved, shift, edge.size(), cv::INTER_NEAREST);
  return cv::mean(magnitude, moved)[0];
}

TEST(StreetsimFrame, MaskEdgesLieOnPictureEdges) {
  StreetsimOptions o = small("game");
  o.width = 320, o.height = 192;
  const Streetsim sim(o);
  for (const cv::Point by : {cv::Point(2, 0), cv::Point(-2, 0), cv::Point(0, 2), cv::Point(0, -2)}) {
    double on = 0, beside = 0;
    for (int index : {0, 130, 260, 390}) {
      const StreetFrame f = sim.frame(index);
      on += step_along_mask(f, 0, 0), beside += step_along_mask(f, by.x, by.y);
    }
    EXPECT_GT(on, 1.15 * beside) << by;
  }
}

TEST(StreetsimOptionsCheck, AnUnknownLookIsRefusedWithTheNearestName) {
  EXPECT_THAT(refusal(small("raim")),
              testing::AllOf(testing::HasSubstr("'raim'"), testing::HasSubstr("'rain'")));
}

TEST(StreetsimOptionsCheck, SizesAndSpeedsOutOfRangeAreRefusedWithTheRange) {
  StreetsimOptions o = small();
  o.width = 20;
  EXPECT_THAT(refusal(o), testing::AllOf(testing::HasSubstr("width is 20"), testing::HasSubstr("64")));
  o = small();
  o.height = 5000;
  EXPECT_THAT(refusal(o), testing::HasSubstr("height is 5000"));
  o = small();
  o.speed_m = 0;
  EXPECT_THAT(refusal(o), testing::HasSubstr("speed_m is 0"));
}

}  // namespace
}  // namespace driftloop::adapt
