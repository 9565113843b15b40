#include "adapt/acquisition/image_strategy.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <map>
#include <opencv2/core.hpp>

#include "adapt/acquisition/city_quota.h"
#include "adapt/acquisition/pick.h"
#include "adapt/acquisition/window_strategy.h"
#include "config/check.h"

namespace driftloop::adapt {
namespace {

struct Group {
  GroupCount count;
  std::vector<Region> open;  // frames that nothing was asked of
};

std::int64_t area_of(const Region& region) {
  return static_cast<std::int64_t>(region.box_px.width) * region.box_px.height;
}

/// Takes from the front of `from` what the budget still pays.
class Purse {
 public:
  explicit Purse(const Budget& budget)
      : pixels_(limited(INT64_MAX, budget.pixels)), regions_(limited(INT64_MAX, budget.regions)) {}

  bool pays(const Region& region) {
    if (regions_ == 0 || area_of(region) > pixels_) return false;
    --regions_;
    pixels_ -= area_of(region);
    return true;
  }

 private:
  std::int64_t pixels_;
  std::int64_t regions_;
};

std::int64_t images_paid(const Budget& budget, std::int64_t pixels, std::int64_t images) {
  if (images == 0) return 0;
  // In whole numbers: 30 / 44 of 44 images are 30, and not 29.99.
  const auto paid = static_cast<__int128>(limited(pixels, budget.pixels)) * images / pixels;
  return limited(static_cast<std::int64_t>(paid), budget.regions);
}

std::vector<Region> take_quotas(std::map<std::string, Group>& groups, const Budget& budget,
                                std::int64_t ask) {
  std::vector<GroupCount> counts;
  for (const auto& [name, group] : groups) counts.push_back(group.count);
  const auto quota = city_quota(counts, ask);
  Purse purse(budget);
  std::vector<Region> taken;
  std::vector<Region> rest;
  std::size_t g = 0;
  for (auto& [name, group] : groups) {
    std::sort(group.open.begin(), group.open.end(), asked_before);
    std::int64_t left = quota[g++];
    for (auto& region : group.open) {
      const bool wanted = left > 0 && purse.pays(region);
      left -= wanted;
      (wanted ? taken : rest).push_back(std::move(region));
    }
  }
  // Frames of different sizes: what the mean size left over goes to the best of the others that fit.
  std::sort(rest.begin(), rest.end(), asked_before);
  for (auto& region : rest)
    if (purse.pays(region)) taken.push_back(std::move(region));
  std::sort(taken.begin(), taken.end(), asked_before);
  return taken;
}

void check_per_frame(const Budget& budget, const Region& region) {
  if (budget.pixels_per_frame && *budget.pixels_per_frame < area_of(region))
    throw Error("budget.pixels_per_frame = " + std::to_string(*budget.pixels_per_frame) +
                " is less than frame " + region.frame_id +
                " has, and this strategy asks whole images: leave it out, or choose a strategy of regions");
}

class ImageChoice final : public Choice {
 public:
  ImageChoice(const ImageStrategy& strategy, Strata strata, const PoolFacts& facts,
              const SelectRequest& request)
      : strategy_(strategy), strata_(strata), facts_(facts), request_(request), open_(facts.size(), false) {
    for (std::size_t i = 0; i < facts.size(); ++i) count(i);
  }

  bool pays() const { return images_ > 0 && smallest_ <= limited(smallest_, request_.budget.pixels); }

  std::optional<Want> wants(std::size_t index) const override {
    if (!open_[index]) return std::nullopt;
    return strategy_.want();
  }
  Scan observe(std::size_t index, const Prediction& prediction) const override {
    const double score = strategy_.image_score(facts_.frame_id(index), prediction, request_);
    return {{"score", at::full({1}, score, at::kDouble)}};
  }
  void take(std::size_t index, Scan scan) override {
    if (scan.empty()) return;
    group_of(index).open.push_back(
        {facts_.frame_id(index), whole(index), *scan.at("score").const_data_ptr<double>()});
  }
  std::vector<Region> choose() override {
    return take_quotas(groups_, request_.budget, images_paid(request_.budget, pixels_, images_));
  }

 private:
  Group& group_of(std::size_t index) {
    return groups_[strata_ == Strata::by_group ? facts_.group(index) : std::string()];
  }
  cv::Rect whole(std::size_t index) const { return {{0, 0}, facts_.frame_size(index)}; }
  void count(std::size_t index) {
    auto& group = group_of(index);
    ++group.count.images;
    const cv::Mat asked = facts_.taken(index);
    if (!asked.empty() && cv::countNonZero(asked) > 0) {
      ++group.count.asked;
      return;
    }
    const Region region{facts_.frame_id(index), whole(index), 0};
    check_per_frame(request_.budget, region);
    open_[index] = true;
    pixels_ += area_of(region);
    smallest_ = std::min(smallest_, area_of(region));
    ++images_;
  }

  const ImageStrategy& strategy_;
  Strata strata_;
  const PoolFacts& facts_;
  const SelectRequest& request_;
  std::vector<bool> open_;  // frames that nothing was asked of
  std::map<std::string, Group> groups_;
  std::int64_t pixels_ = 0;  // of the open frames
  std::int64_t images_ = 0;
  std::int64_t smallest_ = INT64_MAX;  // of them
};

}  // namespace

std::unique_ptr<Choice> ImageStrategy::begin(const PoolFacts& facts, const SelectRequest& request) {
  auto choice = std::make_unique<ImageChoice>(*this, strata_, facts, request);
  if (!choice->pays()) return nullptr;
  return choice;
}

}  // namespace driftloop::adapt
