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
  WindowChoice(const WindowStrategy& strategy, const PoolFacts& facts, const SelectRequest& request,
               const RegionBudget& budget)
      : strategy_(strategy),
        facts_(facts),
        request_(request),
        side_(strategy.side_px(request.region_px)),
        apart_(strategy.apart_px(request.region_px)),
        budget_(budget),
        pick_(budget.total, side_, apart_) {}

  std::optional<Want> wants(std::size_t index) const override {
    const cv::Size size = facts_.frame_size(index);
    if (side_ > size.width || side_ > size.height || limits(index).count == 0) return std::nullopt;
    const cv::Mat none = blocked(index);
    if (!none.empty() && cv::countNonZero(none) == static_cast<int>(none.total())) return std::nullopt;
    return strategy_.want();
  }

  Scan observe(std::size_t index, const Prediction& prediction) const override {
    const auto scores =
        strategy_.window_scores({facts_.frame_id(index), facts_.frame_size(index)}, prediction, request_);
    const auto picks = greedy_picks(scores, blocked(index), limits(index));
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
    pick_.add(facts_.frame_id(index), picks);
  }

  std::vector<Region> choose() override { return pick_.finish(); }

 private:
  cv::Mat blocked(std::size_t index) const {
    return windows_touching(facts_.taken(index), side_, apart_ - side_);
  }
  PickLimits limits(std::size_t index) const {
    return pick_.limits(regions_left(request_.budget, budget_, side_, facts_.asked_px(index)));
  }

  const WindowStrategy& strategy_;
  const PoolFacts& facts_;
  const SelectRequest& request_;
  int side_, apart_;
  RegionBudget budget_;
  PoolPick pick_;
};

}  // namespace

std::int64_t pool_pixels(const PoolFacts& facts) {
  std::int64_t pixels = 0;
  for (std::size_t i = 0; i < facts.size(); ++i)
    pixels += static_cast<std::int64_t>(facts.frame_size(i).width) * facts.frame_size(i).height;
  return pixels;
}

std::unique_ptr<Choice> WindowStrategy::begin(const PoolFacts& facts, const SelectRequest& request) {
  const auto budget = region_budget(request.budget, side_px(request.region_px), pool_pixels(facts));
  if (budget.per_frame == 0) return nullptr;
  return std::make_unique<WindowChoice>(*this, facts, request, budget);
}

at::Tensor ScoreStrategy::window_scores(const FrameFacts&, const Prediction& prediction,
                                        const SelectRequest& request) const {
  return window_mean(pixel_score(prediction).to(at::kCPU), side_px(request.region_px), Border::inside);
}

std::optional<at::Tensor> ScoreStrategy::score_map(const Prediction& prediction, int) {
  return pixel_score(prediction).to(at::kCPU);
}

}  // namespace driftloop::adapt
