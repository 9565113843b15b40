// What every line of the look table promises.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>

#include "adapt/data/streetsim/look.h"
#include "adapt/data/streetsim/streetsim.h"
#include "config/label_space.h"

namespace driftloop::adapt {
namespace {

constexpr int kFrames = 240, kStride_m = 27;

struct Summary {
  std::array<double, config::kClasses> share{};
  std::array<int, config::kClasses> frames_with{};
  int other_values = 0;
  double brightness = 0, saturation = 0;
};

Summary summarise(const std::string& look) {
  StreetsimOptions o;
  o.width = 160, o.height = 96, o.look = look;
  const Streetsim sim(o);
  Summary s;
  for (int i = 0; i < kFrames; ++i) {
    const StreetFrame f = sim.frame(i * kStride_m);
    int known = 0;
    for (int id = 0; id < config::kClasses; ++id) {
      const int pixels = cv::countNonZero(f.label == id);
      known += pixels;
      s.share[std::size_t(id)] += double(pixels) / double(f.label.total()) / kFrames;
      s.frames_with[std::size_t(id)] += pixels > 0 ? 1 : 0;
    }
    s.other_values += int(f.label.total()) - known - cv::countNonZero(f.label == int(config::kIgnore));
    cv::Mat hsv;
    cv::cvtColor(f.image_rgb, hsv, cv::COLOR_RGB2HSV);
    const cv::Scalar mean = cv::mean(hsv);
    s.saturation += mean[1] / kFrames, s.brightness += mean[2] / kFrames;
  }
  return s;
}

const Summary& summary_of(const std::string& look) {
  static std::map<std::string, Summary> made;
  if (!made.contains(look)) made[look] = summarise(look);
  return made[look];
}

/// Mean difference of two frames a centimetre apart: the camera's noise, for the scene is the same.
double flicker_of(const std::string& look) {
  StreetsimOptions o;
  o.width = 160, o.height = 96, o.look = look, o.speed_m = 0.01;
  const Streetsim sim(o);
  double sum = 0;
  for (int i = 0; i < 8; ++i) {
    const cv::Mat here = sim.frame(i * 7000).image_rgb, there = sim.frame(i * 7000 + 1).image_rgb;
    sum += cv::norm(here, there, cv::NORM_L1) / double(here.total() * 3);
  }
  return sum / 8;
}

class EveryLook : public testing::TestWithParam<std::string> {
 protected:
  const Summary& summary() const { return summary_of(GetParam()); }
  double share(std::string_view name) const {
    for (std::size_t id = 0; id < config::kClasses; ++id)
      if (config::class_names()[id] == name) return summary().share[id];
    throw std::out_of_range(std::string(name));
  }
};

TEST_P(EveryLook, IsExplained) {
  for (const auto& entry : streetsim::look_table()) {
    if (entry.name == GetParam()) {
      EXPECT_GT(entry.help.size(), 20U);
    }
  }
}

TEST_P(EveryLook, LabelsAreTrainIds) {
  EXPECT_EQ(summary().other_values, 0);
}

TEST_P(EveryLook, HasEveryClass) {
  for (std::size_t id = 0; id < config::kClasses; ++id)
    EXPECT_GE(summary().frames_with[id], 3) << config::class_names()[id];
}

TEST_P(EveryLook, CommonClassesAreCommonAndRareOnesRare) {
  const auto within = [&](std::string_view name, double low, double high) {
    EXPECT_GT(share(name), low) << name;
    EXPECT_LT(share(name), high) << name;
  };
  within("road", 0.25, 0.45);
  within("building", 0.10, 0.32);
  within("vegetation", 0.05, 0.25);
  within("sky", 0.04, 0.20);
  within("car", 0.02, 0.14);
  within("sidewalk", 0.015, 0.12);
  for (const char* name : {"wall", "fence", "pole", "traffic light", "traffic sign", "person", "rider",
                           "truck", "bus", "train", "motorcycle", "bicycle"})
    EXPECT_LT(share(name), 0.03) << name;
  for (const char* name : {"bus", "train", "motorcycle"}) EXPECT_LT(share(name), share("car") / 3) << name;
}

INSTANTIATE_TEST_SUITE_P(Table, EveryLook, testing::ValuesIn(streetsim_looks()),
                         [](const auto& tested) { return tested.param; });

TEST(Looks, DifferAsTheirNamesSay) {
  const Summary &game = summary_of("game"), &street = summary_of("street"), &dusk = summary_of("dusk"),
                &rain = summary_of("rain");
  EXPECT_LT(dusk.brightness, 0.75 * street.brightness);
  EXPECT_GT(game.saturation, 1.3 * street.saturation);
  EXPECT_GT(street.saturation, 1.2 * rain.saturation);
  EXPECT_GT(flicker_of("street"), 4 * flicker_of("game"));
  EXPECT_GT(flicker_of("dusk"), 1.2 * flicker_of("street"));
}

TEST(Looks, GameIsAnotherCountryButDuskAndRainAreTheSameStreet) {
  StreetsimOptions o;
  o.width = 160, o.height = 96;
  const auto label_of = [&](const char* look) {
    o.look = look;
    return Streetsim(o).frame(100).label;
  };
  const cv::Mat street = label_of("street");
  const auto agreement = [&](const cv::Mat& other) {
    return double(cv::countNonZero(street == other)) / double(other.total());
  };
  EXPECT_GT(agreement(label_of("dusk")), 0.8);
  EXPECT_GT(agreement(label_of("rain")), 0.8);
  EXPECT_LT(agreement(label_of("game")), 0.8);
}

}  // namespace
}  // namespace driftloop::adapt
