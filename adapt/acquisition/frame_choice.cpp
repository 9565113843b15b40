#include "adapt/acquisition/frame_choice.h"

#include <algorithm>

#include "config/random.h"

namespace driftloop::adapt {
namespace {

using Indices = std::vector<std::size_t>;

/// Marks `count` of the frames in `from`, one drawn from each of `count` equal stretches, a new one where the
/// stretch has one.
void take_spread(const Indices& from, std::size_t count, const std::vector<bool>& is_new, config::Random& rng,
                 std::vector<bool>& taken) {
  count = std::min(count, from.size());
  for (std::size_t s = 0; s < count; ++s) {
    const auto begin = from.begin() + static_cast<std::ptrdiff_t>(s * from.size() / count);
    const auto end = from.begin() + static_cast<std::ptrdiff_t>((s + 1) * from.size() / count);
    Indices stretch(begin, end);
    const auto old = std::stable_partition(stretch.begin(), stretch.end(),
                                           [&](const std::size_t frame) { return is_new[frame]; });
    const auto candidates = static_cast<std::uint64_t>(
        old == stretch.begin() ? stretch.end() - stretch.begin() : old - stretch.begin());
    taken[stretch[rng.below(candidates)]] = true;
  }
}

}  // namespace

std::vector<PoolFrame> choose_frames(std::vector<PoolFrame> pool, const FrameChoice& choice) {
  if (!choice.max_frames || std::ssize(pool) <= *choice.max_frames) return pool;
  const auto limit = static_cast<std::size_t>(std::max<std::int64_t>(0, *choice.max_frames));
  std::vector<bool> taken(pool.size(), false);
  std::vector<bool> is_new(pool.size(), false);
  Indices asked;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    if (choice.asked.contains(pool[i].id))
      asked.push_back(i);
    else
      is_new[i] = !choice.looked_at.contains(pool[i].id);
  }
  config::Random rng(config::mix64(choice.seed));
  const auto reminders = std::min(asked.size(), limit / 4);
  take_spread(asked, reminders, is_new, rng, taken);
  auto newest = (limit - reminders) / 2;
  auto left = limit - reminders;
  for (std::size_t i = pool.size(); i-- > 0 && newest > 0;) {
    if (!is_new[i] || taken[i]) continue;
    taken[i] = true;
    --newest;
    --left;
  }
  Indices others;
  for (std::size_t i = 0; i < pool.size(); ++i)
    if (!taken[i]) others.push_back(i);
  take_spread(others, left, is_new, rng, taken);
  std::vector<PoolFrame> chosen;
  for (std::size_t i = 0; i < pool.size(); ++i)
    if (taken[i]) chosen.push_back(std::move(pool[i]));
  return chosen;
}

}  // namespace driftloop::adapt
