// What may be asked for and how it is chosen; no LibTorch in this header.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>

#include "config/fields.h"

namespace driftloop::adapt {

inline constexpr int kMaxRegionPx = 512;  // the kernels count the pixels of a window in 32 bits

/// How much one round may ask for, in the units that people think in. Each is a limit of its own and the
/// least holds; an absent one limits nothing.
struct BudgetOptions {
  std::optional<double> share = {};
  std::optional<std::int64_t> pixels = {}, regions = {}, clicks = {}, images = {}, bytes = {},
                              pixels_per_frame = {};
};
void describe(config::Fields& f, BudgetOptions& o);

/// Of every round; what each asks for and by which strategy comes with the round (ProposeRequest).
struct AcquisitionOptions {
  int region_px = 8;
  std::optional<std::int64_t> max_frames;
};
void describe(config::Fields& f, AcquisitionOptions& o);

/// Every strategy of acquisition_table.cpp, for what describes a choice of one.
config::Choices strategy_choices();
/// Side of the squares that a strategy asks for, px; none = whole images. Throws Error where there is no such
/// strategy.
std::optional<int> asked_side_px(const config::Chosen& strategy, int region_px);

/// Limits of one selection: absent = no limit, 0 = nothing may be asked.
struct Budget {
  std::optional<std::int64_t> pixels = {}, pixels_per_frame = {}, regions = {};
  bool operator==(const Budget&) const = default;
};

/// `wanted`, or the limit where that is less.
inline std::int64_t limited(std::int64_t wanted, const std::optional<std::int64_t>& limit) {
  return limit ? std::min(wanted, *limit) : wanted;
}

/// The stricter of both in each.
Budget least(const Budget& a, const Budget& b);
/// One of the limits is 0.
bool pays_nothing(const Budget& budget);

/// The frames that a round looks at.
struct PoolSize {
  std::int64_t frames = 0;
  std::int64_t pixels = 0;
};

/// What a region takes by those that were asked so far.
struct RegionPrice {
  std::optional<double> bytes = {};  // on the link; only who sends them knows
  double clicks = 1;                 // of who labels it (adapt/region.h)
};

/// What `options` allow one round over `pool`, in regions of region_px x region_px: by the share at least
/// one of them, images by the pool's mean size. Where there are `bytes` their price must be given
/// (CheckError).
Budget budget_of(const BudgetOptions& options, const PoolSize& pool, int region_px,
                 const RegionPrice& price = {});

}  // namespace driftloop::adapt
