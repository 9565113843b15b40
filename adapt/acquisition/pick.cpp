#include "adapt/acquisition/pick.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <opencv2/imgproc.hpp>
#include <tuple>
#include <utility>

#include "config/check.h"

namespace driftloop::adapt {
namespace {

/// A key whose ascending order is falling score, then index.
std::uint64_t sort_key(float score, std::uint32_t index) {
  const auto bits = std::bit_cast<std::uint32_t>(score + 0.0F);  // -0 becomes 0: they tie
  const std::uint32_t ascending = (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
  return static_cast<std::uint64_t>(~ascending) << 32 | index;
}

std::vector<std::uint64_t> candidate_keys(const at::Tensor& score_hw, const cv::Mat& blocked_hw,
                                          float floor) {
  const auto height = score_hw.size(0);
  const auto width = score_hw.size(1);
  const float* score = score_hw.const_data_ptr<float>();
  std::vector<std::uint64_t> keys;
  for (std::int64_t y = 0; y < height; ++y) {
    const std::uint8_t* blocked =
        blocked_hw.empty() ? nullptr : blocked_hw.ptr<std::uint8_t>(static_cast<int>(y));
    for (std::int64_t x = 0; x < width; ++x) {
      const float value = score[y * width + x];
      if (std::isnan(value))
        throw Error(
            "a region's score is not a number: the teacher's output is broken; return to the live model");
      if (value < floor || value == -std::numeric_limits<float>::infinity()) continue;
      if (blocked == nullptr || blocked[x] == 0)
        keys.push_back(sort_key(value, static_cast<std::uint32_t>(y * width + x)));
    }
  }
  return keys;
}

/// The keys in ascending order, sorted only as far as they are asked for.
class LazyOrder {
 public:
  LazyOrder(std::vector<std::uint64_t> keys, std::size_t chunk) : keys_(std::move(keys)), chunk_(chunk) {}

  /// False at the end.
  bool next(std::uint64_t& key) {
    if (at_ == keys_.size()) return false;
    if (at_ == sorted_) sort_more();
    key = keys_[at_++];
    return true;
  }

 private:
  void sort_more() {
    const auto from = keys_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    sorted_ = std::min(keys_.size(), sorted_ + chunk_);
    const auto to = keys_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    if (to != keys_.end()) std::nth_element(from, to, keys_.end());
    std::sort(from, to);
    chunk_ *= 4;  // so that passes over the rest stay few when blocking uses many candidates up
  }

  std::vector<std::uint64_t> keys_;
  std::size_t chunk_;
  std::size_t at_ = 0;
  std::size_t sorted_ = 0;
};

}  // namespace

std::vector<Pick> greedy_picks(const at::Tensor& score_hw, const cv::Mat& blocked_hw,
                               const PickLimits& limits) {
  DL_CHECK(score_hw.dim() == 2 && score_hw.scalar_type() == at::kFloat && score_hw.is_cpu(),
           score_hw.sizes());
  DL_CHECK(score_hw.numel() < std::int64_t{1} << 32 && limits.apart >= 1, score_hw.sizes(), limits.apart);
  std::vector<Pick> picks;
  if (limits.count <= 0 || score_hw.numel() == 0) return picks;
  const auto score = score_hw.contiguous();
  const int height = static_cast<int>(score.size(0));
  const int width = static_cast<int>(score.size(1));
  DL_CHECK(blocked_hw.empty() || blocked_hw.size() == cv::Size(width, height), blocked_hw.size(), width,
           height);
  cv::Mat blocked = blocked_hw.empty() ? cv::Mat::zeros(height, width, CV_8UC1) : blocked_hw.clone();

  auto keys = candidate_keys(score, blocked_hw, limits.floor);
  const auto area = static_cast<std::uint64_t>(limits.apart) * static_cast<std::uint64_t>(limits.apart);
  const auto wanted =
      std::min<std::uint64_t>(static_cast<std::uint64_t>(limits.count), keys.size() / area + 1);
  LazyOrder order(std::move(keys), std::max<std::size_t>(1024, wanted * std::min<std::uint64_t>(area, 16)));
  const float* value = score.const_data_ptr<float>();
  const cv::Rect map(0, 0, width, height);
  const int reach = limits.apart - 1;
  for (std::uint64_t key = 0; order.next(key);) {
    const auto index = static_cast<std::uint32_t>(key);
    const int y = static_cast<int>(index / static_cast<std::uint32_t>(width));
    const int x = static_cast<int>(index % static_cast<std::uint32_t>(width));
    if (blocked.at<std::uint8_t>(y, x) != 0) continue;
    picks.push_back({value[index], y, x});
    if (static_cast<std::int64_t>(picks.size()) == limits.count) break;
    blocked(cv::Rect(x - reach, y - reach, 2 * reach + 1, 2 * reach + 1) & map).setTo(1);
  }
  return picks;
}

cv::Mat windows_touching(const cv::Mat& asked_hw, int side, int margin) {
  if (asked_hw.empty() || side > asked_hw.rows || side > asked_hw.cols) return {};
  DL_CHECK(asked_hw.type() == CV_8UC1, asked_hw.type());
  cv::Mat ones;
  cv::min(asked_hw, 1, ones);
  if (margin > 0) cv::dilate(ones, ones, cv::Mat::ones(2 * margin + 1, 2 * margin + 1, CV_8UC1));
  cv::Mat sum;
  cv::integral(ones, sum, CV_32S);
  const int rows = asked_hw.rows - side + 1;
  const int columns = asked_hw.cols - side + 1;
  const auto part = [&](int y, int x) { return sum(cv::Rect(x, y, columns, rows)); };
  cv::Mat count = part(side, side) - part(0, side) - part(side, 0) + part(0, 0);
  return count > 0;
}

bool asked_before(const Region& a, const Region& b) {
  return std::tie(b.score, a.frame_id, a.box_px.y, a.box_px.x) <
         std::tie(a.score, b.frame_id, b.box_px.y, b.box_px.x);
}

PoolPick::PoolPick(std::int64_t count, int side, int apart)
    : count_(static_cast<std::size_t>(std::max<std::int64_t>(0, count))), side_(side), apart_(apart) {
  DL_CHECK(apart >= side && side >= 1, side, apart);
}

PickLimits PoolPick::limits(std::int64_t per_frame) const {
  PickLimits limits{.apart = apart_, .count = std::min(static_cast<std::int64_t>(count_), per_frame)};
  if (heap_.size() == count_ && count_ > 0) limits.floor = static_cast<float>(heap_.front().score);
  return limits;
}

void PoolPick::add(const std::string& frame_id, std::span<const Pick> picks) {
  if (count_ == 0) return;
  for (const auto& pick : picks) {
    Region region{frame_id, cv::Rect(pick.x, pick.y, side_, side_), static_cast<double>(pick.score)};
    if (heap_.size() == count_) {
      if (!asked_before(region, heap_.front())) break;  // the frame's next ones are worse still
      std::pop_heap(heap_.begin(), heap_.end(), asked_before);
      heap_.pop_back();
    }
    heap_.push_back(std::move(region));
    std::push_heap(heap_.begin(), heap_.end(), asked_before);
  }
}

std::vector<Region> PoolPick::finish() {
  std::sort(heap_.begin(), heap_.end(), asked_before);
  return std::exchange(heap_, {});
}

}  // namespace driftloop::adapt
