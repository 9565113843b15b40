// What a frame is worth: signatures, nearest neighbours and the order of going, against brute force.
#include "capture/keep_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <random>

#include "adapt/data/streetsim/streetsim.h"
#include "config/check.h"
#include "tests/capture/capture_support.h"

namespace driftloop::capture {
namespace {

double distance(const Signature& a, const Signature& b) {
  return std::sqrt(static_cast<double>(squared_distance(a, b)));
}

adapt::Streetsim drive(const std::string& look, std::int64_t seed = 1) {
  adapt::StreetsimOptions options;
  options.width = 160;
  options.height = 96;
  options.look = look;
  options.seed = seed;
  options.speed_m = 8;
  return adapt::Streetsim(options);
}

TEST(SignatureTest, LooksAreFartherApartThanFramesOfOne) {
  std::map<std::string, std::vector<Signature>> of;
  for (const std::string& look : adapt::streetsim_looks())
    for (int i = 0; i < 25; ++i) of[look].push_back(look_of(drive(look).frame(i).image_rgb));
  ASSERT_GE(of.size(), 3U);
  const auto nearest_median = [](const std::vector<Signature>& from, const std::vector<Signature>& to) {
    std::vector<double> nearest;
    for (const Signature& a : from) {
      double least = 1e9;
      for (const Signature& b : to)
        if (&a != &b) least = std::min(least, distance(a, b));
      nearest.push_back(least);
    }
    std::sort(nearest.begin(), nearest.end());
    return nearest[nearest.size() / 2];
  };
  for (const auto& [one, ones] : of) {
    const double within = nearest_median(ones, ones);
    for (const auto& [other, others] : of)
      if (one != other) {
        EXPECT_GT(nearest_median(ones, others), 1.5 * within) << one << " and " << other;
      }
  }
}

TEST(SignatureTest, SmallShiftsAndSizesChangeItLittle) {
  const auto street = drive("street");
  double shifted = 0, scaled = 0, others = 0;
  for (int i = 0; i < 12; ++i) {
    const cv::Mat image = street.frame(4 * i).image_rgb;
    cv::Mat moved, large;
    const cv::Mat by = (cv::Mat_<double>(2, 3) << 1, 0, 2, 0, 1, 1);
    cv::warpAffine(image, moved, by, image.size(), cv::INTER_LINEAR, cv::BORDER_REPLICATE);
    cv::resize(image, large, {}, 4, 4, cv::INTER_CUBIC);
    shifted += distance(look_of(image), look_of(moved));
    scaled += distance(look_of(image), look_of(large));
    others += distance(look_of(image), look_of(street.frame(4 * i + 2).image_rgb));
  }
  EXPECT_LT(shifted, 0.4 * others);
  EXPECT_LT(scaled, 0.5 * others);
}

TEST(SignatureTest, LightColourAndStructureAllCount) {
  const cv::Mat image = scene_rgb(160, 96, 1);
  cv::Mat darker, swapped, smooth;
  image.convertTo(darker, -1, 0.5);
  cv::cvtColor(image, swapped, cv::COLOR_RGB2BGR);
  cv::blur(image, smooth, {15, 15});
  for (const cv::Mat& other : {darker, swapped, smooth})
    EXPECT_GT(distance(look_of(image), look_of(other)), 60);
  EXPECT_EQ(look_of(image), look_of(image.clone()));
}

TEST(SignatureTest, FeaturesAreComparedByDirection) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (const std::size_t size : {3, 48, 96, 97, 256, 2048}) {
    std::vector<float> a(size), b(size), near(size);
    for (std::size_t i = 0; i < size; ++i) {
      a[i] = normal(random);
      b[i] = normal(random);
      near[i] = a[i] + 0.3F * normal(random);
    }
    std::vector<float> longer = a;
    for (float& value : longer) value *= 7;
    EXPECT_LE(distance(signature_of(a), signature_of(longer)), 1) << size;
    EXPECT_LT(2 * distance(signature_of(a), signature_of(near)), distance(signature_of(a), signature_of(b)))
        << size;
  }
  EXPECT_EQ(signature_of(std::vector<float>(10, 0.0F)), signature_of(std::vector<float>(500, 0.0F)));
  EXPECT_THROW(signature_of(std::vector<float>{}), CheckError);
  EXPECT_THROW(signature_of(std::vector<float>{1, NAN}), CheckError);
}

TEST(SignatureTest, ProjectedDistancesKeepTheirOrder) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> features(40, std::vector<float>(512));
  for (auto& feature : features)
    for (float& value : feature) value = std::max(0.0F, normal(random));  // as after a rectifier
  for (std::size_t i = 20; i < 40; ++i)  // pairs that differ by a tenth to twice their length
    for (std::size_t j = 0; j < 512; ++j)
      features[i][j] =
          features[i - 20][j] + 0.1F * static_cast<float>(i - 19) * std::max(0.0F, normal(random));
  double last = 0;
  int risen = 0;
  for (std::size_t i = 20; i < 40; ++i) {
    const double now = distance(signature_of(features[i - 20]), signature_of(features[i]));
    risen += now > last;
    last = now;
  }
  EXPECT_GE(risen, 14);
}

Signature at_place(std::initializer_list<int> place) {
  Signature signature{};
  std::transform(place.begin(), place.end(), signature.begin(),
                 [](int v) { return static_cast<std::uint8_t>(v); });
  return signature;
}

/// The rules of keep_order.h word by word, from nothing but what is kept.
struct Reference {
  struct Frame {
    Signature look;
    std::optional<Signature> feature;
    std::string space;
    bool asked = false, unsent = false;
  };
  std::map<std::uint64_t, Frame> frames;
  std::int64_t asked_limit;

  double nearest(std::uint64_t self, bool by_feature) const {
    const Frame& mine = frames.at(self);
    double least = -1;
    for (const auto& [sequence, other] : frames) {
      if (sequence == self || (by_feature && other.space != mine.space)) continue;
      const double d = by_feature ? distance(*mine.feature, *other.feature) : distance(mine.look, other.look);
      if (least < 0 || d < least) least = d;
    }
    return least;
  }
  double typical(const std::string& space) const {
    std::vector<double> all;
    for (const auto& [sequence, frame] : frames) {
      if (!space.empty() && frame.space != space) continue;
      if (const double d = nearest(sequence, !space.empty()); d >= 0) all.push_back(d);
    }
    std::sort(all.begin(), all.end());
    return all.empty() ? 0 : all[all.size() / 2];
  }
  std::optional<std::uint64_t> next() const {
    std::int64_t answered = 0;
    std::optional<std::uint64_t> oldest_answered;
    std::map<std::string, std::size_t> sizes;
    for (const auto& [sequence, frame] : frames) {
      if (frame.feature) ++sizes[frame.space];
      if (!frame.asked || frame.unsent) continue;
      ++answered;
      if (!oldest_answered) oldest_answered = sequence;
    }
    if (answered > asked_limit) return oldest_answered;
    std::map<std::string, double> scale;
    std::vector<std::pair<double, std::uint64_t>> order;
    std::size_t from_the_end = frames.size();
    for (const auto& [sequence, frame] : frames) {
      const bool reserve = from_the_end-- <= std::max<std::size_t>(1, frames.size() / 10);
      if (reserve || frame.asked || frame.unsent) continue;
      const bool by_feature = frame.feature && sizes[frame.space] >= 8;
      const std::string space = by_feature ? frame.space : "";
      if (!scale.count(space)) scale[space] = typical(space);
      const double d = nearest(sequence, by_feature);
      order.emplace_back(d == 0                       ? 0
                         : d < 0 || scale[space] == 0 ? kMostNovel
                                                      : std::min(kMostNovel, d / scale[space]),
                         sequence);
    }
    if (!order.empty()) return std::min_element(order.begin(), order.end())->second;
    for (const auto& [sequence, frame] : frames)
      if (!frame.asked && !frame.unsent) return sequence;
    return oldest_answered;
  }
};

// Random lives of a store: what goes is always what brute force says, also when the order is written out and
// read in again in between, as after a kill.
TEST(KeepOrderTest, IsWhatBruteForceSays) {
  for (unsigned seed = 0; seed < 12; ++seed) {
    std::mt19937 random(seed);
    const auto dice = [&](int sides) { return static_cast<int>(random() % static_cast<unsigned>(sides)); };
    // Few places: equal distances and copies are frequent.
    const int places = seed % 3 == 0 ? 4 : 250;
    const auto somewhere = [&] { return at_place({dice(places), dice(places), dice(places)}); };
    Reference reference{{}, 6};
    auto order = std::make_unique<KeepOrder>(6);
    std::uint64_t next_sequence = 0;
    int gone = 0;
    const auto any = [&] {
      return std::next(reference.frames.begin(), dice(static_cast<int>(reference.frames.size())));
    };
    for (int step = 0; step < 700; ++step) {
      KeepOrder::Changed changed;
      const int what = reference.frames.size() < 5 ? 0 : dice(10);
      if (what < 3) {
        const Signature look = somewhere();
        order->add(next_sequence, {false, false, 1}, look, changed);
        reference.frames[next_sequence++] = {look, {}, {}, false, false};
      } else if (what < 5) {
        const auto it = any();
        it->second.asked = dice(3) == 0;
        it->second.unsent = dice(4) == 0;
        order->set_marks(it->first, it->second.asked, it->second.unsent);
      } else if (what < 7 && seed % 2) {
        const auto it = any();
        it->second.feature = somewhere();
        it->second.space = dice(3) ? "new" : "old";
        order->set_feature(it->first, *it->second.feature, it->second.space, changed);
      } else if (what < 8 && step % 5 == 0) {
        const auto it = any();  // a damaged file
        order->remove(it->first);
        reference.frames.erase(it);
      } else if (what == 8 && step % 3 == 0) {
        auto again = std::make_unique<KeepOrder>(6);
        for (const auto& [sequence, frame] : reference.frames)
          again->restore(sequence, {frame.asked, frame.unsent, 1}, order->described(sequence));
        again->settle();
        order = std::move(again);
      } else {
        const auto expected = reference.next();
        const auto got = order->next(changed);
        ASSERT_EQ(got, expected) << "seed " << seed << ", step " << step;
        if (!got) continue;
        order->remove(*got);
        reference.frames.erase(*got);
        std::erase(changed, *got);
        ++gone;
      }
      for (const std::uint64_t sequence : changed) ASSERT_TRUE(reference.frames.count(sequence));
    }
    EXPECT_GT(gone, 80) << seed;
  }
}

TEST(KeepOrderTest, FramesWithoutALookAreOfMiddlingValue) {
  KeepOrder order(100);
  for (std::uint64_t i = 0; i < 10; ++i) {
    Described described;
    if (i >= 2) described.look = at_place({static_cast<int>(i * i), 0, 0});  // ever farther apart
    order.restore(i, {false, false, 1}, described);
  }
  order.settle();
  EXPECT_EQ(order.undescribed(), 0U);
  KeepOrder::Changed changed;
  std::vector<std::uint64_t> gone;
  for (int i = 0; i < 6; ++i) {
    gone.push_back(*order.next(changed));
    order.remove(gone.back());
  }
  EXPECT_EQ(gone[0], 2U);  // nearest to another
  EXPECT_EQ(std::count(gone.begin(), gone.end(), 0U), 1);
  EXPECT_EQ(std::count(gone.begin(), gone.end(), 8U), 0);  // farther than most
  EXPECT_EQ(order.undescribed(), 1U);
  order.set_look(1, at_place({200, 200, 0}), changed);
  EXPECT_EQ(order.undescribed(), std::nullopt);
  EXPECT_EQ(order.value(1).source, ValueSource::colour);
  EXPECT_GT(order.value(1).value, 1.5);
}

TEST(KeepOrderTest, TheTwoDistancesAreComparable) {
  // Features on a scale of their own, five times as wide: a frame is no more novel for having one.
  std::mt19937 random(3);
  KeepOrder order(1000);
  KeepOrder::Changed changed;
  const auto place = [&](std::size_t copies) {
    const auto x = static_cast<std::uint8_t>(random() % 250), y = static_cast<std::uint8_t>(random() % 250);
    Signature signature{};
    for (std::size_t i = 0; i < copies; ++i) signature[2 * i] = x, signature[2 * i + 1] = y;
    return signature;
  };
  for (std::uint64_t i = 0; i < 400; ++i) {
    order.add(i, {false, false, 1}, place(1), changed);
    if (i % 2 == 0) order.set_feature(i, place(25), "model", changed);
  }
  int with_feature = 0;
  for (int i = 0; i < 200; ++i) {
    const std::uint64_t gone = *order.next(changed);
    with_feature += gone % 2 == 0;
    order.remove(gone);
  }
  EXPECT_GT(with_feature, 60);
  EXPECT_LT(with_feature, 140);
}

}  // namespace
}  // namespace driftloop::capture
