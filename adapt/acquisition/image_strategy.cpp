#include "adapt/acquisition/image_strategy.h"

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
      : pixels_(budget.pixels), regions_(budget.regions > 0 ? budget.regions : INT64_MAX) {}

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
  const auto paid = static_cast<std::int64_t>(static_cast<double>(budget.pixels) *
                                              static_cast<double>(images) / static_cast<double>(pixels));
  return budget.regions > 0 ? std::min(paid, budget.regions) : paid;
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
  if (budget.pixels_per_frame > 0 && budget.pixels_per_frame < area_of(region))
    throw Error("acquisition.pixels_per_frame = " + std::to_string(budget.pixels_per_frame) +
                " is less than frame " + region.frame_id +
                " has, and this strategy asks whole images: set it to 0, or choose a strategy of regions");
}

}  // namespace

Selection ImageStrategy::do_select(PoolView& pool, const SelectRequest& request) {
  std::map<std::string, Group> groups;
  std::int64_t pixels = 0;
  std::int64_t images = 0;
  std::int64_t smallest = INT64_MAX;
  std::vector<std::size_t> open;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    auto& group = groups[strata_ == Strata::by_group ? pool.group(i) : std::string()];
    ++group.count.images;
    const cv::Mat asked = pool.asked_mask(i);
    if (!asked.empty() && cv::countNonZero(asked) > 0) {
      ++group.count.asked;
      continue;
    }
    const Region region{pool.frame_id(i), cv::Rect({0, 0}, pool.frame_size(i)), 0};
    check_per_frame(request.budget, region);
    open.push_back(i);
    pixels += area_of(region);
    smallest = std::min(smallest, area_of(region));
    ++images;
  }
  if (smallest > request.budget.pixels) return {};
  for (const auto i : open) {
    if (request.stop.stop_requested()) return {.regions = {}, .stopped = true};
    auto& group = groups[strata_ == Strata::by_group ? pool.group(i) : std::string()];
    group.open.push_back(
        {pool.frame_id(i), cv::Rect({0, 0}, pool.frame_size(i)), image_score(pool, i, request)});
  }
  return {.regions = take_quotas(groups, request.budget, images_paid(request.budget, pixels, images)),
          .stopped = false};
}

}  // namespace driftloop::adapt
