#include "capture/neighbours.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"

namespace driftloop::capture {

std::size_t Neighbours::slot(std::uint64_t sequence) const {
  const auto found = slots_.find(sequence);
  DL_CHECK(found != slots_.end(), sequence);
  return found->second;
}

const Signature& Neighbours::signature(std::uint64_t sequence) const {
  return signatures_[slot(sequence)];
}

const Link& Neighbours::link(std::uint64_t sequence) const {
  return links_[slot(sequence)];
}

void Neighbours::set_link(std::size_t at, const Link& link) {
  if (offered_[at]) order_.erase({links_[at].distance, sequences_[at]});
  links_[at] = link;
  stale_[at] = 0;
  if (offered_[at]) order_.insert({link.distance, sequences_[at]});
  typical_.reset();
}

void Neighbours::restore(std::uint64_t sequence, const Signature& signature, const Link& link) {
  DL_CHECK(slots_.emplace(sequence, sequences_.size()).second, sequence);
  signatures_.push_back(signature);
  sequences_.push_back(sequence);
  links_.push_back(link);
  stale_.push_back(0);
  offered_.push_back(0);
  settled_ = false;
  typical_.reset();
}

void Neighbours::settle() {
  if (settled_) return;
  settled_ = true;
  for (std::size_t at = 0; at < links_.size(); ++at) {
    Link& link = links_[at];
    const bool alone = link.nearest == kNobody && link.distance == kFar;
    if (alone ? links_.size() > 1 : !slots_.contains(link.nearest)) stale_[at] = 1;
    if (stale_[at]) link.nearest = kNobody;
    if (stale_[at] && alone) link.distance = 0;  // no bound is known
  }
}

void Neighbours::add(std::uint64_t sequence, const Signature& signature, Changed& changed) {
  settle();
  Link mine;
  for (std::size_t at = 0; at < signatures_.size(); ++at) {
    const std::uint32_t distance = squared_distance(signature, signatures_[at]);
    // Of equals the newest, so that copies form a chain and not a star whose centre is dear to remove.
    if (distance < mine.distance || (distance == mine.distance && sequences_[at] > mine.nearest))
      mine = {sequences_[at], distance};
    // A lower bound that is reached is no bound any more.
    if (distance < links_[at].distance || (distance == links_[at].distance && stale_[at])) {
      set_link(at, {sequence, distance});
      changed.push_back(sequences_[at]);
    }
  }
  restore(sequence, signature, mine);
  settled_ = true;
  changed.push_back(sequence);
}

void Neighbours::remove(std::uint64_t sequence, Changed& changed) {
  const std::size_t at = slot(sequence), last = sequences_.size() - 1;
  withdraw(sequence);
  slots_.erase(sequence);
  if (at != last) {
    signatures_[at] = signatures_[last];
    sequences_[at] = sequences_[last];
    links_[at] = links_[last];
    stale_[at] = stale_[last];
    offered_[at] = offered_[last];
    slots_[sequences_[at]] = at;
  }
  signatures_.pop_back();
  sequences_.pop_back();
  links_.pop_back();
  stale_.pop_back();
  offered_.pop_back();
  typical_.reset();
  if (!settled_) return;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (links_[i].nearest != sequence) continue;
    links_[i].nearest = kNobody;
    stale_[i] = 1;
    changed.push_back(sequences_[i]);
  }
}

void Neighbours::offer(std::uint64_t sequence) {
  const std::size_t at = slot(sequence);
  if (offered_[at]) return;
  offered_[at] = 1;
  order_.insert({links_[at].distance, sequence});
}

void Neighbours::withdraw(std::uint64_t sequence) {
  const std::size_t at = slot(sequence);
  if (!offered_[at]) return;
  offered_[at] = 0;
  order_.erase({links_[at].distance, sequence});
}

void Neighbours::find_nearest(std::size_t at) {
  Link mine;
  for (std::size_t other = 0; other < signatures_.size(); ++other) {
    if (other == at) continue;
    const std::uint32_t distance = squared_distance(signatures_[at], signatures_[other]);
    if (distance < mine.distance || (distance == mine.distance && sequences_[other] > mine.nearest))
      mine = {sequences_[other], distance};
  }
  set_link(at, mine);
}

std::optional<Neighbours::Least> Neighbours::least(Changed& changed) {
  settle();
  while (!order_.empty()) {
    const auto [distance, sequence] = *order_.begin();
    const std::size_t at = slot(sequence);
    // The bounds of all others are no smaller than this one: once it is exact it is the least.
    if (!stale_[at]) return Least{sequence, distance};
    find_nearest(at);
    changed.push_back(sequence);
  }
  return std::nullopt;
}

void Neighbours::make_exact(Changed& changed) {
  settle();
  for (std::size_t at = 0; at < stale_.size(); ++at) {
    if (!stale_[at]) continue;
    find_nearest(at);
    changed.push_back(sequences_[at]);
  }
}

double Neighbours::typical() const {
  if (typical_) return *typical_;
  std::vector<std::uint32_t> distances;
  distances.reserve(links_.size());
  for (const Link& link : links_)
    if (link.distance != kFar) distances.push_back(link.distance);
  if (distances.empty()) return *(typical_ = 0.0);
  const auto middle = distances.begin() + static_cast<std::ptrdiff_t>(distances.size() / 2);
  std::nth_element(distances.begin(), middle, distances.end());
  return *(typical_ = std::sqrt(static_cast<double>(*middle)));
}

}  // namespace driftloop::capture
