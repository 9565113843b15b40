// A pool without a net, for strategies: predictions follow from the frame's number, or are planted by the
// test.
#pragma once
#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "adapt/acquisition/strategy.h"

namespace driftloop::test {

struct SyntheticFrame {
  std::string id;
  std::string group;
  cv::Size size;
  adapt::Prediction prediction;
  cv::Mat asked;
  int predictions = 0;  // how often the teacher was run
  bool gone = false;    // evicted: found out when it is to be read
  std::int64_t asked_px = 0;
};

class SyntheticPool : public adapt::PoolView {
 public:
  std::vector<SyntheticFrame> frames;

  std::size_t size() const override { return frames.size(); }
  const std::string& frame_id(std::size_t i) const override { return frames[i].id; }
  const std::string& group(std::size_t i) const override { return frames[i].group; }
  cv::Size frame_size(std::size_t i) const override { return frames[i].size; }
  cv::Mat taken(std::size_t i) const override { return frames[i].asked; }
  std::int64_t asked_px(std::size_t i) const override { return frames[i].asked_px; }
  std::optional<adapt::Prediction> predict(std::size_t i, adapt::Want want) override {
    if (frames[i].gone) return std::nullopt;
    ++frames[i].predictions;
    auto prediction = frames[i].prediction;
    if (want == adapt::Want::probabilities) prediction.feature_dhw.reset();
    return prediction;
  }
  int predictions() const {
    int sum = 0;
    for (const auto& frame : frames) sum += frame.predictions;
    return sum;
  }
};

inline constexpr int kPoolClasses = 6;
inline constexpr int kPoolFeatures = 12;

/// Blobs of random certainty: a coarse random map, enlarged.
inline adapt::Prediction random_prediction(cv::Size size, std::uint64_t seed) {
  at::manual_seed(seed);
  const auto coarse = 3 * at::randn({1, kPoolClasses, size.height / 6 + 1, size.width / 6 + 1});
  const auto logits = at::upsample_bilinear2d(coarse, {size.height, size.width}, true);
  return {(logits + 0.3 * at::randn_like(logits)).softmax(1)[0],
          at::randn({kPoolFeatures, (size.height + 7) / 8, (size.width + 7) / 8})};
}

/// `count` frames "frame_00".. of alternating groups "a" and "b".
inline SyntheticPool random_pool(int count, const std::vector<cv::Size>& sizes) {
  SyntheticPool pool;
  for (int i = 0; i < count; ++i) {
    const cv::Size size = sizes[static_cast<std::size_t>(i) % sizes.size()];
    const std::string number = std::to_string(i);
    pool.frames.push_back(
        {.id = "frame_" + std::string(2 - std::min<std::size_t>(2, number.size()), '0') + number,
         .group = i % 2 == 0 ? "a" : "b",
         .size = size,
         .prediction = random_prediction(size, static_cast<std::uint64_t>(i) + 1),
         .asked = {}});
  }
  return pool;
}

}  // namespace driftloop::test
