// The strategies that ask whole images.
#pragma once
#include "adapt/acquisition/strategy.h"

namespace driftloop::adapt {

enum class Strata { by_group, none };

/// Asks the best frames that nothing was asked of, by descending score, with a quota per group (city_quota.h)
/// or over the whole pool. As many as the budget pays at the pool's mean frame size.
class ImageStrategy : public Strategy {
 protected:
  explicit ImageStrategy(Strata strata) : strata_(strata) {}

 private:
  Selection do_select(PoolView& pool, const SelectRequest& request) final;
  /// Larger is asked first.
  virtual double image_score(PoolView& pool, std::size_t index, const SelectRequest& request) = 0;
  Strata strata_;
};

}  // namespace driftloop::adapt
