// The strategies that ask whole images.
#pragma once
#include "adapt/acquisition/strategy.h"

namespace driftloop::adapt {

enum class Strata { by_group, none };

/// Asks the best frames that nothing was asked of, by descending score, with a quota per group (city_quota.h)
/// or over the whole pool. As many as the budget pays at the pool's mean frame size. A frame's scan is its
/// score.
class ImageStrategy : public Strategy {
 public:
  std::optional<int> asked_side_px(int) const final { return std::nullopt; }
  virtual Want want() const { return Want::probabilities; }
  /// Larger is asked first.
  virtual double image_score(const std::string& frame_id, const Prediction& prediction,
                             const SelectRequest& request) const = 0;

 protected:
  explicit ImageStrategy(Strata strata) : strata_(strata) {}

 private:
  std::unique_ptr<Choice> begin(const PoolFacts& facts, const SelectRequest& request) final;
  Strata strata_;
};

}  // namespace driftloop::adapt
