#include "daemon/stage_plan.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"

namespace driftloop::daemon {
namespace {

constexpr double kTrustShare =
    0.05;  // of a stage: from here on its own measure counts more than the expectation
constexpr double kTrustOfRun = 0.003;    // the same of the run, when a stage speaks for the others
constexpr double kLeastMeasured = 0.05;  // of the run, in weighty stages: before that nothing is said
constexpr double kWeighty = 0.1;         // of the run
constexpr double kOverdue = 0.05;  // of a stage that takes longer than it should: it is never "nearly over"
constexpr double kSmoothShare = 0.15;  // of the time left: over so long a change of the estimate is spread
constexpr double kSmoothLeastS = 3;

double left_units(const PlannedStage& plan, double skipped) {
  return std::max(plan.units - skipped, 0.0);
}

}  // namespace

StagePlan::StagePlan(std::vector<PlannedStage> stages, double now_s) : start_s_(now_s) {
  for (auto& stage : stages) {
    DL_CHECK(stage.units >= 0 && stage.unit_s > 0, stage.name, stage.units, stage.unit_s);
    stages_.push_back({std::move(stage)});
  }
  DL_CHECK(!stages_.empty());
  stages_[0].began_s = stages_[0].news_s = now_s;
}

void StagePlan::leave_current(double now_s) {
  Stage& stage = stages_[current_];
  if (stage.done <= 0) stage.skipped = stage.plan.units;  // nothing was heard of it: an earlier run did it
  stage.took_s = now_s - stage.began_s;
  stage.done = left_units(stage.plan, stage.skipped);
}

void StagePlan::enter(const std::string& name, double now_s) {
  const auto found = std::find_if(stages_.begin(), stages_.end(),
                                  [&](const Stage& stage) { return stage.plan.name == name; });
  const auto index = static_cast<std::size_t>(found - stages_.begin());
  DL_CHECK(found != stages_.end() && index >= current_, name, current_);
  if (index == current_) return;
  leave_current(now_s);
  for (std::size_t between = current_ + 1; between < index; ++between)
    stages_[between].skipped = stages_[between].plan.units;
  current_ = index;
  stages_[current_].began_s = stages_[current_].news_s = now_s;
}

void StagePlan::done(double units, double now_s) {
  Stage& stage = stages_[current_];
  units = std::min(units, stage.plan.units) - stage.skipped;
  if (units <= stage.done) return;
  stage.done = units;
  stage.news_s = now_s;
}

void StagePlan::done_share(double share, double now_s) {
  done(share * stages_[current_].plan.units, now_s);
}

void StagePlan::skip(double units) {
  Stage& stage = stages_[current_];
  stage.skipped = std::clamp(units, stage.skipped, stage.plan.units);
}

void StagePlan::skip_share(double share) {
  skip(share * stages_[current_].plan.units);
}

void StagePlan::finish(double now_s) {
  leave_current(now_s);
  finished_ = true;
}

/// Measured seconds to expected ones, 1 while there are none. A later stage counts more than those before it,
/// by how much of it was seen: what was rendered in a second says little of hours of training.
double StagePlan::speed() const {
  double speed = 1, all = 0;
  for (const Stage& stage : stages_) all += left_units(stage.plan, stage.skipped) * stage.plan.unit_s;
  for (std::size_t i = 0; i <= current_; ++i) {
    const Stage& stage = stages_[i];
    const double measured = i < current_ ? stage.took_s : stage.news_s - stage.began_s;
    const double expected = stage.done * stage.plan.unit_s;
    if (expected <= 0 || measured <= 0) continue;
    const double trust = expected / (expected + kTrustOfRun * all);
    speed = trust * measured / expected + (1 - trust) * speed;
  }
  return speed;
}

double StagePlan::left_of_current(double now_s) const {
  const Stage& stage = stages_[current_];
  const double units = left_units(stage.plan, stage.skipped);
  if (units <= 0) return 0;
  const double by_plan = units * stage.plan.unit_s * speed();
  double whole = by_plan;
  if (stage.done > 0) {
    const double by_measure = (stage.news_s - stage.began_s) * units / stage.done;
    const double trust = stage.done / (stage.done + kTrustShare * units);
    whole = trust * by_measure + (1 - trust) * by_plan;
  }
  return std::max(whole - (now_s - stage.began_s), kOverdue * whole * (1 - stage.done / units));
}

Remaining StagePlan::remaining(double now_s) {
  if (finished_) return {1, 0, true};
  const auto expected_of = [](const Stage& stage) {
    return left_units(stage.plan, stage.skipped) * stage.plan.unit_s;
  };
  double left = left_of_current(now_s), to_come = 0, measured = 0, expected_all = 0, expected_done = 0;
  for (const Stage& stage : stages_) expected_all += expected_of(stage);
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    const double done_s = stages_[i].done * stages_[i].plan.unit_s;
    expected_done += done_s;
    if (expected_of(stages_[i]) >= kWeighty * expected_all) measured += done_s;
    if (i > current_) to_come += expected_of(stages_[i]);
  }
  left += to_come * speed();
  Remaining result;
  result.known = has_smooth_ || measured >= kLeastMeasured * expected_all;
  if (!result.known) {
    result.share = expected_all > 0 ? expected_done / expected_all : 0;
    return result;
  }
  const double end_s = now_s + left;
  if (!has_smooth_) smooth_end_s_ = end_s;
  const double over_s = std::max(kSmoothLeastS, kSmoothShare * std::min(left, smooth_end_s_ - now_s));
  if (has_smooth_)
    smooth_end_s_ += (end_s - smooth_end_s_) * (1 - std::exp((smoothed_at_s_ - now_s) / over_s));
  has_smooth_ = true;
  smoothed_at_s_ = now_s;
  result.left_s = std::max(smooth_end_s_ - now_s, 1.0);
  const double spent = now_s - start_s_;
  result.share = spent / (spent + result.left_s);
  return result;
}

}  // namespace driftloop::daemon
