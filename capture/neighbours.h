// The frames of one space and how far each is from its nearest neighbour there, kept up to date frame by
// frame.
#pragma once
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "capture/signature.h"

namespace driftloop::capture {

inline constexpr std::uint64_t kNobody = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint32_t kFar = std::numeric_limits<std::uint32_t>::max();

/// To the nearest neighbour. When that frame is gone the distance is a lower bound: the true one is found
/// when it is needed, which is seldom.
struct Link {
  std::uint64_t nearest = kNobody;  // its sequence
  std::uint32_t distance = kFar;    // squared; kFar = alone
  bool operator==(const Link&) const = default;
};

/// Frames are named by their sequence. Adding one costs one pass over all of them (96 bytes each), as does
/// the exact distance of one whose neighbour has gone; the least novel frame is at hand. About 250 bytes a
/// frame.
class Neighbours {
 public:
  using Changed = std::vector<std::uint64_t>;  // sequences whose link changed are appended

  void add(std::uint64_t sequence, const Signature& signature, Changed& changed);
  /// As it was stored; after the last one settle() finds the links that lead nowhere.
  void restore(std::uint64_t sequence, const Signature& signature, const Link& link);
  void settle();
  /// Those it was the nearest of are told in `changed`: to be stored only where the frame can come back.
  void remove(std::uint64_t sequence, Changed& changed);

  /// Only offered frames are candidates of least().
  void offer(std::uint64_t sequence);
  void withdraw(std::uint64_t sequence);
  struct Least {
    std::uint64_t sequence;
    std::uint32_t distance;
  };
  /// The offered frame with the smallest distance, exact; of equals the oldest.
  std::optional<Least> least(Changed& changed);

  /// Finds the true distance wherever only a bound is known: one pass for each.
  void make_exact(Changed& changed);

  bool has(std::uint64_t sequence) const { return slots_.contains(sequence); }
  std::size_t size() const { return sequences_.size(); }
  const std::vector<std::uint64_t>& sequences() const { return sequences_; }
  const Signature& signature(std::uint64_t sequence) const;
  const Link& link(std::uint64_t sequence) const;
  /// The median distance (not squared) of all frames; 0 without any.
  double typical() const;

 private:
  std::size_t slot(std::uint64_t sequence) const;
  void set_link(std::size_t at, const Link& link);
  void find_nearest(std::size_t at);

  std::vector<Signature> signatures_;
  std::vector<std::uint64_t> sequences_;
  std::vector<Link> links_;
  std::vector<std::uint8_t> stale_, offered_;
  std::unordered_map<std::uint64_t, std::size_t> slots_;
  std::set<std::pair<std::uint32_t, std::uint64_t>> order_;  // (distance, sequence) of the offered
  bool settled_ = true;
  mutable std::optional<double> typical_;
};

}  // namespace driftloop::capture
