#include "adapt/acquisition/cover_choice.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <tuple>

#include "config/check.h"
#include "config/random.h"

namespace driftloop::adapt {
namespace {

struct Cluster {
  double mass = 0;
  std::int64_t asked = 0;
  std::vector<std::size_t> open;  // in the order to ask
  std::size_t next = 0;
};

/// `open` in the order of a draw without replacement, in proportion to the weights (Efraimidis and Spirakis
/// 2006).
void draw_by_weight(std::vector<std::size_t>& open, const std::vector<CoverTile>& tiles,
                    config::Random& rng) {
  std::vector<std::pair<double, std::size_t>> turn;
  for (const auto i : open) {
    const double chance = std::max(1e-9, static_cast<double>(config::unit_float(rng.next())));
    turn.emplace_back(std::log(chance) / std::max(1e-6F, tiles[i].weight), i);
  }
  std::sort(turn.begin(), turn.end(), std::greater<>());
  std::transform(turn.begin(), turn.end(), open.begin(), [](const auto& t) { return t.second; });
}

std::vector<Cluster> gather(const std::vector<CoverTile>& tiles, std::int64_t clusters,
                            const CoverLimits& limits) {
  std::vector<Cluster> gathered(static_cast<std::size_t>(clusters));
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    DL_CHECK(tiles[i].cluster >= 0 && tiles[i].cluster < clusters, tiles[i].cluster, clusters);
    auto& cluster = gathered[static_cast<std::size_t>(tiles[i].cluster)];
    cluster.mass += tiles[i].weight;
    if (tiles[i].state == CoverTile::State::asked)
      ++cluster.asked;
    else
      cluster.open.push_back(i);
  }
  config::Random rng(config::mix64(limits.seed));
  for (auto& cluster : gathered) {
    if (cluster.open.empty()) continue;
    if (limits.draw_by_weight)
      draw_by_weight(cluster.open, tiles, rng);
    else
      rng.shuffle(cluster.open);
    const auto nearer = [&](std::size_t a, std::size_t b) {
      return std::tie(tiles[b].similarity, a) < std::tie(tiles[a].similarity, b);
    };
    std::iter_swap(cluster.open.begin(), std::min_element(cluster.open.begin(), cluster.open.end(), nearer));
  }
  return gathered;
}

/// Falling priority: uncovered clusters before covered ones, then mass per tile asked (counting the next),
/// then number.
struct Turn {
  bool uncovered;
  double weight;
  std::size_t cluster;
  bool operator<(const Turn& other) const {
    return std::tie(uncovered, weight, other.cluster) < std::tie(other.uncovered, other.weight, cluster);
  }
};

Turn turn_of(const std::vector<Cluster>& clusters, std::size_t c) {
  const auto& cluster = clusters[c];
  return {cluster.asked == 0, cluster.mass / static_cast<double>(cluster.asked + 1), c};
}

}  // namespace

std::vector<std::size_t> choose_cover(const std::vector<CoverTile>& tiles, std::int64_t clusters,
                                      const CoverLimits& limits) {
  auto gathered = gather(tiles, clusters, limits);
  std::priority_queue<Turn> turns;
  for (std::size_t c = 0; c < gathered.size(); ++c)
    if (!gathered[c].open.empty()) turns.push(turn_of(gathered, c));
  auto left = limits.of_frame;
  std::vector<std::size_t> chosen;
  while (static_cast<std::int64_t>(chosen.size()) < limits.count && !turns.empty()) {
    const auto c = turns.top().cluster;
    turns.pop();
    auto& cluster = gathered[c];
    while (cluster.next < cluster.open.size()) {
      const auto i = cluster.open[cluster.next++];
      auto& of_frame = left.at(static_cast<std::size_t>(tiles[i].frame));
      if (of_frame == 0) continue;
      --of_frame;
      ++cluster.asked;
      chosen.push_back(i);
      break;
    }
    if (cluster.next < cluster.open.size()) turns.push(turn_of(gathered, c));
  }
  return chosen;
}

}  // namespace driftloop::adapt
