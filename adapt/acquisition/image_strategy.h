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
  /// Larger is asked first; none = the frame is gone.
  virtual std::optional<double> image_score(PoolView& pool, std::size_t index,
                                            const SelectRequest& request) = 0;

 protected:
  explicit ImageStrategy(Strata strata) : strata_(strata) {}

 private:
  std::unique_ptr<Choice> begin(PoolView& pool, const SelectRequest& request) final;
  Strata strata_;
};

}  // namespace driftloop::adapt
