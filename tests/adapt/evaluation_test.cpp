// What a split is scored by beside the confusion: views of an image, borders, calibration.
#include "adapt/eval/evaluate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <opencv2/core.hpp>

#include "adapt/data/augment.h"
#include "adapt/eval/boundary.h"
#include "adapt/eval/calibration.h"
#include "adapt/eval/confusion.h"
#include "adapt/eval/views.h"
#include "adapt/torch.h"
#include "config/check.h"
#include "config/label_space.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {

cv::Mat noise(int width, int height, int values, std::uint64_t seed, int channels = 1) {
  config::Random random(seed);
  cv::Mat map(height, width, CV_8UC(channels));
  for (std::size_t i = 0; i < map.total() * map.elemSize(); ++i)
    map.data[i] = static_cast<std::uint8_t>(random.below(static_cast<std::uint64_t>(values)));
  return map;
}

/// Blobs: classes that have an inside.
cv::Mat blobs(int width, int height, int classes, std::uint64_t seed) {
  const cv::Mat coarse = noise(width / 8 + 1, height / 8 + 1, classes, seed);
  cv::Mat map(height, width, CV_8UC1);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) map.at<std::uint8_t>(y, x) = coarse.at<std::uint8_t>(y / 8, x / 8);
  return map;
}

PlacedNet small_net(int work_long_side_px = 0) {
  ModelSpec spec;
  spec.net = {"deeplabv3plus_r18", 0.0625, 16, 2, 0.1};
  spec.work_long_side_px = work_long_side_px;
  return PlacedNet(spec, torch::kCPU, 3);
}

double worst(const at::Tensor& a, const at::Tensor& b) {
  return (a - b).abs().max().item<double>();
}

TEST(WindowsTest, LieFlushWithTheEnd) {
  EXPECT_EQ(window_starts(2048, 769, 513), (std::vector<int>{0, 513, 1026, 1279}));
  EXPECT_EQ(window_starts(1024, 769, 513), (std::vector<int>{0, 255}));
  EXPECT_EQ(window_starts(769, 769, 513), (std::vector<int>{0}));
  EXPECT_EQ(window_starts(500, 769, 513), (std::vector<int>{0}));
  EXPECT_EQ(window_starts(10, 4, 3), (std::vector<int>{0, 3, 6}));
}

TEST(ViewsTest, AWindowThatHoldsAllIsTheWholeImage) {
  const PlacedNet net = small_net();
  const cv::Mat image = noise(96, 64, 256, 1, 3);
  EXPECT_LT(worst(probabilities_of_views(net, image, {.window_px = 96}), net.logits(image).softmax(0)), 1e-6);
}

TEST(ViewsTest, LogitsAreAveragedWhereWindowsOverlap) {
  const PlacedNet net = small_net();
  const cv::Mat image = noise(96, 64, 256, 1, 3);
  const at::Tensor sum = at::zeros({config::kClasses, 64, 96}), count = at::zeros({64, 96});
  for (const int x : {0, 40, 48}) {  // every 40 px, the last flush
    for (const int y : {0, 16}) {
      const cv::Rect box(x, y, 48, 48);
      const auto logits = net.logits(image(box).clone());
      for (int r = 0; r < 48; ++r)
        for (int c = 0; c < 48; ++c) {
          sum.select(1, y + r).select(1, x + c).add_(logits.select(1, r).select(1, c));
          count[y + r][x + c] += 1;
        }
    }
  }
  const auto views = probabilities_of_views(net, image, {.window_px = 48, .stride_px = 40});
  EXPECT_LT(worst(views, (sum / count).softmax(0)), 1e-5);
}

TEST(ViewsTest, MirroredAndScaledViewsAreAveragedAsProbabilities) {
  const PlacedNet net = small_net(160);
  const cv::Mat image = noise(320, 192, 256, 2, 3);
  const auto enlarged = [&](const cv::Mat& seen, bool mirrored) {
    auto logits = net.logits_as_it_is(seen);
    if (mirrored) logits = logits.flip(2);
    return net.enlarged(logits, image.size()).softmax(0);
  };
  at::Tensor sum = at::zeros({config::kClasses, 192, 320});
  for (const int side : {80, 120, 160, 200, 240, 280}) {
    const cv::Mat seen = to_working_size(side, image);
    cv::Mat mirrored;
    cv::flip(seen, mirrored, 1);
    sum += enlarged(seen, false) + enlarged(mirrored, true);
  }
  const auto views = probabilities_of_views(net, image, {.multi_scale = true, .flip = true});
  EXPECT_LT(worst(views, sum / 12), 1e-5);
  EXPECT_LT(worst(views.sum(0), at::ones({192, 320})), 1e-5);
}

TEST(ViewsTest, WindowsThatCannotBeAreRefused) {
  const PlacedNet net = small_net();
  const cv::Mat image = noise(96, 64, 256, 1, 3);
  EXPECT_THROW(probabilities_of_views(net, image, {.window_px = 20}), Error);
  EXPECT_THROW(probabilities_of_views(net, image, {.window_px = 48, .stride_px = 49}), Error);
}

TEST(ViewsTest, AFrameSeenOnceIsLabelledAsEver) {
  const PlacedNet net = small_net(80);
  const cv::Mat image = noise(160, 96, 256, 2, 3);
  const FrameView view = view_frame(net, image, {});
  const auto [confidence, label] = net.logits(image).softmax(0).max(0);
  int other = 0;
  for (int y = 0; y < 96; ++y)
    for (int x = 0; x < 160; ++x) {
      other += view.label.at<std::uint8_t>(y, x) != label[y][x].item<int>() ? 1 : 0;
      ASSERT_NEAR(view.confidence.at<float>(y, x), confidence[y][x].item<float>(), 1e-5);
    }
  EXPECT_LE(other, 2);  // two classes may be as likely
}

/// As the authors say it: the pixels of each class's mask within the distance of its contour.
struct Twin {
  std::vector<std::int64_t> both = std::vector<std::int64_t>(5, 0), either = both;
  static bool near(const cv::Mat& map, int y, int x, int distance) {
    for (int dy = -distance; dy <= distance; ++dy)
      for (int dx = -distance; dx <= distance; ++dx) {
        const cv::Point at(x + dx, y + dy);
        if (!cv::Rect(0, 0, map.cols, map.rows).contains(at) ||
            map.at<std::uint8_t>(at) != map.at<std::uint8_t>(y, x))
          return true;
      }
    return false;
  }
  void add(cv::Mat prediction, const cv::Mat& label, int distance) {
    prediction = prediction.clone();
    prediction.setTo(255, label == 255);
    for (int y = 0; y < label.rows; ++y)
      for (int x = 0; x < label.cols; ++x)
        for (int c = 0; c < 5; ++c) {
          const bool p = prediction.at<std::uint8_t>(y, x) == c && near(prediction, y, x, distance);
          const bool l = label.at<std::uint8_t>(y, x) == c && near(label, y, x, distance);
          both[static_cast<std::size_t>(c)] += p && l ? 1 : 0;
          either[static_cast<std::size_t>(c)] += p || l ? 1 : 0;
        }
  }
};

TEST(BoundaryTest, CountsAsByHand) {
  BoundaryIou boundary(5);
  Twin twin;
  for (const std::uint64_t seed : {1, 2, 3}) {
    cv::Mat label = blobs(400, 300, 4, seed);  // a diagonal of 500: 2.5 px, so 3 (or 2, by rounding)
    label(cv::Rect(20, 30, 50, 40)).setTo(255);
    const cv::Mat prediction = blobs(400, 300, 4, seed + 7);
    boundary.add(prediction, label);
    twin.add(prediction, label, static_cast<int>(std::lround(0.005 * 500)));
  }
  for (int c = 0; c < 4; ++c)
    EXPECT_DOUBLE_EQ(boundary.iou(c), static_cast<double>(twin.both[static_cast<std::size_t>(c)]) /
                                          static_cast<double>(twin.either[static_cast<std::size_t>(c)]));
  EXPECT_TRUE(std::isnan(boundary.iou(4)));
}

TEST(BoundaryTest, ALargeAreaHidesAWrongBorderFromIouAlone) {
  cv::Mat label(200, 200, CV_8UC1, cv::Scalar(0));
  label(cv::Rect(0, 0, 100, 200)).setTo(1);
  cv::Mat prediction(200, 200, CV_8UC1, cv::Scalar(0));
  prediction(cv::Rect(0, 0, 104, 200)).setTo(1);  // 4 px too wide
  Confusion confusion(2);
  confusion.add(at::from_blob(prediction.data, {200, 200}, at::kByte),
                at::from_blob(label.data, {200, 200}, at::kByte));
  BoundaryIou boundary(2);
  boundary.add(prediction, label);
  EXPECT_GT(confusion.iou(1), 0.95);
  EXPECT_LT(boundary.iou(1), 0.8);
  boundary = BoundaryIou(2);
  boundary.add(label, label);
  EXPECT_DOUBLE_EQ(boundary.iou(0), 1);
}

TEST(CalibrationTest, IsTheGapBetweenConfidenceAndWhatIsRight) {
  Calibration calibration;
  EXPECT_TRUE(std::isnan(calibration.error()));
  const cv::Mat label(1, 4, CV_8UC1, cv::Scalar(3));
  cv::Mat prediction = (cv::Mat_<std::uint8_t>(1, 4) << 3, 3, 3, 5);
  cv::Mat confidence = (cv::Mat_<float>(1, 4) << 0.99F, 0.99F, 0.99F, 0.99F);
  calibration.add(confidence, prediction, label);
  EXPECT_NEAR(calibration.error(), 0.99 - 0.75, 1e-6);
  cv::Mat ignored = label.clone();
  ignored.at<std::uint8_t>(0, 3) = 255;
  Calibration right;
  confidence.setTo(1.0F);
  right.add(confidence, prediction, ignored);
  EXPECT_NEAR(right.error(), 0, 1e-9);
  // Two bins: the gaps do not cancel out.
  Calibration two;
  two.add((cv::Mat_<float>(1, 2) << 0.5F, 1.0F), (cv::Mat_<std::uint8_t>(1, 2) << 3, 5),
          label(cv::Rect(0, 0, 2, 1)));
  EXPECT_NEAR(two.error(), (0.5 + 1.0) / 2, 1e-6);
}

TEST(ConfusionTest, IsScoredInASmallerSpace) {
  Confusion counts(config::kClasses);
  counts.add(at::tensor({9, 8, 13}, at::kByte), at::tensor({8, 9, 14}, at::kByte));
  const auto& space = config::label_space("synthia16");  // without terrain (9) and truck (14)
  config::TrainIdTable keep{};
  for (std::size_t id = 0; id < keep.size(); ++id) keep[id] = static_cast<std::uint8_t>(id);
  const Confusion small = counts.renamed(space.fold, keep);
  EXPECT_EQ(small.count(8, 9), 1) << "vegetation taken for terrain is wrong";
  EXPECT_EQ(small.label_area(9), 0) << "the space has no terrain to be missed";
  EXPECT_EQ(small.label_area(14), 0);
  const Confusion folded =
      counts.renamed(config::label_space("camvid11").fold, config::label_space("camvid11").fold);
  EXPECT_EQ(folded.count(13, 13), 1) << "a truck is a car there";
  EXPECT_EQ(folded.count(8, 8), 2);
}

}  // namespace
}  // namespace driftloop::adapt
