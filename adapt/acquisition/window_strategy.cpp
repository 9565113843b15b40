#include "adapt/acquisition/window_strategy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <opencv2/core.hpp>

#include "adapt/acquisition/pick.h"
#include "adapt/acquisition/region_budget.h"
#include "adapt/acquisition/window.h"
#include "config/check.h"

namespace driftloop::adapt {

namespace {

class WindowChoice final : public Choice {
 public:
  WindowChoice(WindowStrategy& strategy, PoolView& pool, const SelectRequest& request,
               const RegionBudget& budget)
      : strategy_(strategy),
        pool_(pool),
        request_(request),
        side_(strategy.side_px(request.options)),
        budget_(budget),
        pick_(budget.total, side_) {}

  std::optional<Scan> scan(std::size_t index) override {
    const cv::Size size = pool_.frame_size(index);
    const auto limits = pick_.limits(regions_left(request_.budget, budget_, side_, pool_.asked_px(index)));
    if (side_ > size.width || side_ > size.height || limits.count == 0) return Scan{};
    const cv::Mat blocked = windows_touching(pool_.asked_mask(index), side_);
    if (!blocked.empty() && cv::countNonZero(blocked) == static_cast<int>(blocked.total())) return Scan{};
    const auto scores = strategy_.window_scores(pool_, index, request_);
    if (!scores) return std::nullopt;
    const auto picks = greedy_picks(*scores, blocked, limits);
    const auto count = static_cast<std::int64_t>(picks.size());
    Scan scan{{"score", at::empty({count}, at::kFloat)}, {"yx", at::empty({count, 2}, at::kInt)}};
    auto* score = scan["score"].data_ptr<float>();
    auto* yx = scan["yx"].data_ptr<int>();
    for (const auto& pick : picks) {
      *score++ = pick.score;
      *yx++ = pick.y;
      *yx++ = pick.x;
    }
    return scan;
  }

  void take(std::size_t index, Scan scan) override {
    if (scan.empty()) return;
    const auto* score = scan.at("score").const_data_ptr<float>();
    const auto* yx = scan.at("yx").const_data_ptr<int>();
    std::vector<Pick> picks(static_cast<std::size_t>(scan.at("score").numel()));
    for (std::size_t i = 0; i < picks.size(); ++i) picks[i] = {score[i], yx[2 * i], yx[2 * i + 1]};
    pick_.add(pool_.frame_id(index), picks);
  }

  std::vector<Region> choose() override { return pick_.finish(); }

 private:
  WindowStrategy& strategy_;
  PoolView& pool_;
  const SelectRequest& request_;
  int side_;
  RegionBudget budget_;
  PoolPick pick_;
};

}  // namespace

std::optional<Prediction> checked_prediction(PoolView& pool, std::size_t index, Want want) {
  std::optional<Prediction> seen = pool.predict(index, want);
  if (!seen) return seen;
  const Prediction& prediction = *seen;
  const auto& prob = prediction.prob_chw;
  const cv::Size size = pool.frame_size(index);
  DL_CHECK(prob.defined() && prob.dim() == 3 && prob.size(1) == size.height && prob.size(2) == size.width,
           pool.frame_id(index), size);
  DL_CHECK(
      want == Want::probabilities || (prediction.feature_dhw.defined() && prediction.feature_dhw.dim() == 3),
      pool.frame_id(index), "features were asked for");
  // A sum is NaN or infinite when an element is: one pass and no temporary of the map's size.
  const auto sum = want == Want::probabilities ? prob.sum() : prob.sum() + prediction.feature_dhw.sum();
  if (!sum.isfinite().item<bool>())
    throw Error("the teacher's output for frame " + pool.frame_id(index) +
                " is not finite: its weights are broken; return to the live model");
  return seen;
}

std::int64_t pool_pixels(const PoolView& pool) {
  std::int64_t pixels = 0;
  for (std::size_t i = 0; i < pool.size(); ++i)
    pixels += static_cast<std::int64_t>(pool.frame_size(i).width) * pool.frame_size(i).height;
  return pixels;
}

std::unique_ptr<Choice> WindowStrategy::begin(PoolView& pool, const SelectRequest& request) {
  const auto budget = region_budget(request.budget, side_px(request.options), pool_pixels(pool));
  if (budget.per_frame == 0) return nullptr;
  return std::make_unique<WindowChoice>(*this, pool, request, budget);
}

std::optional<at::Tensor> ScoreStrategy::window_scores(PoolView& pool, std::size_t index,
                                                       const SelectRequest& request) {
  const auto prediction = checked_prediction(pool, index, Want::probabilities);
  if (!prediction) return std::nullopt;
  const auto score_hw = pixel_score(prediction->prob_chw).to(at::kCPU);
  return window_mean(score_hw, side_px(request.options), Border::inside);
}

std::optional<at::Tensor> ScoreStrategy::score_map(const Prediction& prediction, const AcquisitionOptions&) {
  return pixel_score(prediction.prob_chw).to(at::kCPU);
}

}  // namespace driftloop::adapt
