#include "adapt/acquisition/window_strategy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <opencv2/core.hpp>

#include "adapt/acquisition/pick.h"
#include "adapt/acquisition/region_budget.h"
#include "adapt/acquisition/window.h"
#include "config/check.h"

namespace driftloop::adapt {

RegionBudget region_budget(const Budget& budget, int side, std::int64_t pool_pixels) {
  const auto area = static_cast<std::int64_t>(side) * side;
  const auto by_pixels = std::min(budget.pixels, pool_pixels) / area;
  const auto total = budget.regions > 0 ? std::min(by_pixels, budget.regions) : by_pixels;
  return {total, budget.pixels_per_frame > 0 ? std::min(total, budget.pixels_per_frame / area) : total};
}

Prediction checked_prediction(PoolView& pool, std::size_t index, Want want) {
  Prediction prediction = pool.predict(index, want);
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
  return prediction;
}

std::int64_t pool_pixels(const PoolView& pool) {
  std::int64_t pixels = 0;
  for (std::size_t i = 0; i < pool.size(); ++i)
    pixels += static_cast<std::int64_t>(pool.frame_size(i).width) * pool.frame_size(i).height;
  return pixels;
}

Selection WindowStrategy::do_select(PoolView& pool, const SelectRequest& request) {
  const int side = side_px(request.options);
  const auto budget = region_budget(request.budget, side, pool_pixels(pool));
  Selection selection;
  if (budget.per_frame == 0) return selection;
  PoolPick pick(budget.total, budget.per_frame, side);
  for (std::size_t i = 0; i < pool.size(); ++i) {
    if (request.stop.stop_requested()) return {.regions = {}, .stopped = true};
    const cv::Size size = pool.frame_size(i);
    if (side > size.width || side > size.height) continue;
    const cv::Mat blocked = windows_touching(pool.asked_mask(i), side);
    if (!blocked.empty() && cv::countNonZero(blocked) == static_cast<int>(blocked.total())) continue;
    pick.add_frame(pool.frame_id(i), window_scores(pool, i, request), blocked);
  }
  selection.regions = pick.finish();
  return selection;
}

at::Tensor ScoreStrategy::window_scores(PoolView& pool, std::size_t index, const SelectRequest& request) {
  const auto prediction = checked_prediction(pool, index, Want::probabilities);
  const auto score_hw = pixel_score(prediction.prob_chw).to(at::kCPU);
  return window_mean(score_hw, side_px(request.options), Border::inside);
}

std::optional<at::Tensor> ScoreStrategy::score_map(const Prediction& prediction, const AcquisitionOptions&) {
  return pixel_score(prediction.prob_chw).to(at::kCPU);
}

}  // namespace driftloop::adapt
