#include "capture/keep_order.h"

#include <algorithm>
#include <cmath>

#include "config/check.h"

namespace driftloop::capture {
namespace {

constexpr std::size_t kReserveShare = 10;  // one in so many
constexpr std::size_t kLeastInSpace = 8;   // with fewer the median distance means nothing

double novelty(std::uint32_t squared, double typical) {
  if (squared == 0) return 0;
  if (squared == kFar || typical <= 0) return kMostNovel;
  return std::min(kMostNovel, std::sqrt(static_cast<double>(squared)) / typical);
}

}  // namespace

KeepOrder::Member& KeepOrder::member(std::uint64_t sequence) {
  const auto found = members_.find(sequence);
  DL_CHECK(found != members_.end(), sequence);
  return found->second;
}

const KeepOrder::Member& KeepOrder::member(std::uint64_t sequence) const {
  const auto found = members_.find(sequence);
  DL_CHECK(found != members_.end(), sequence);
  return found->second;
}

void KeepOrder::withdraw(std::uint64_t sequence, Member& m) {
  if (m.offered) m.offered->withdraw(sequence);
  m.offered = nullptr;
  if (std::exchange(m.is_blank_offered, false)) blank_.erase(sequence);
  if (std::exchange(m.is_asked_offered, false)) {
    asked_.erase(sequence);
    asked_bytes_ -= m.marks.bytes;
  }
}

/// Makes the frame a candidate where it is one now.
void KeepOrder::place(std::uint64_t sequence, Member& m) {
  withdraw(sequence, m);
  if (m.marks.unsent) return;
  if (m.marks.asked) {
    m.is_asked_offered = true;
    asked_.insert(sequence);
    asked_bytes_ += m.marks.bytes;
    return;
  }
  if (in_reserve(sequence)) return;
  if (m.space && m.space->frames.size() >= kLeastInSpace)
    m.offered = &m.space->frames;
  else if (looks_.has(sequence))
    m.offered = &looks_;
  if (m.offered) {
    m.offered->offer(sequence);
  } else {
    m.is_blank_offered = true;
    blank_.insert(sequence);
  }
}

/// When a space has just become large enough to judge by, or too small.
void KeepOrder::place_all_of(Space& space, std::size_t size_before) {
  if ((size_before >= kLeastInSpace) == (space.frames.size() >= kLeastInSpace)) return;
  for (const std::uint64_t sequence : space.frames.sequences()) place(sequence, member(sequence));
}

void KeepOrder::restore(std::uint64_t sequence, const KeepMarks& marks, const Described& described) {
  settled_ = false;
  Member m;
  m.marks = marks;
  if (described.look)
    looks_.restore(sequence, *described.look, described.look_link);
  else
    undescribed_.insert(sequence);
  if (described.feature) {
    m.space = &spaces_.try_emplace(described.space, Space{described.space, {}}).first->second;
    m.space->frames.restore(sequence, *described.feature, described.feature_link);
  }
  DL_CHECK(members_.emplace(sequence, m).second, sequence);
}

void KeepOrder::settle() {
  looks_.settle();
  for (auto& [name, space] : spaces_) space.frames.settle();
  settled_ = true;
  reserve_from_ = kNobody;
  reserve_size_ = 0;
  for (auto& [sequence, m] : members_) place(sequence, m);
  set_reserve();
}

/// Moves the border of the reserve to where it belongs: one step, unless frames were removed by the dozen.
void KeepOrder::set_reserve() {
  const std::size_t wanted = members_.empty() ? 0 : std::max<std::size_t>(1, members_.size() / kReserveShare);
  while (reserve_size_ != wanted) {
    auto border = members_.lower_bound(reserve_from_);
    if (reserve_size_ > wanted) {
      const auto leaving = border++;
      reserve_from_ = border == members_.end() ? kNobody : border->first;
      --reserve_size_;
      place(leaving->first, leaving->second);
    } else {
      --border;
      reserve_from_ = border->first;
      ++reserve_size_;
      place(border->first, border->second);
    }
  }
}

void KeepOrder::add(std::uint64_t sequence, const KeepMarks& marks, const Signature& look, Changed& changed) {
  Member m;
  m.marks = marks;
  looks_.add(sequence, look, changed);
  const auto [it, fresh] = members_.emplace(sequence, m);
  DL_CHECK(fresh, sequence);
  if (in_reserve(sequence)) ++reserve_size_;
  place(sequence, it->second);
  set_reserve();
}

void KeepOrder::leave_space(std::uint64_t sequence, Member& m, Changed& changed) {
  if (!m.space) return;
  Space& space = *std::exchange(m.space, nullptr);
  const std::size_t before = space.frames.size();
  space.frames.remove(sequence, changed);
  place_all_of(space, before);
  if (space.frames.size() == 0) spaces_.erase(std::string(space.name));
}

void KeepOrder::remove(std::uint64_t sequence) {
  Member& m = member(sequence);
  withdraw(sequence, m);
  // Whoever pointed at it finds its number gone after a restart too: numbers are never used twice.
  Changed of_no_matter;
  if (looks_.has(sequence)) looks_.remove(sequence, of_no_matter);
  undescribed_.erase(sequence);
  leave_space(sequence, m, of_no_matter);
  members_.erase(sequence);
  if (!settled_) return;
  if (in_reserve(sequence)) --reserve_size_;
  set_reserve();
}

void KeepOrder::set_look(std::uint64_t sequence, const Signature& look, Changed& changed) {
  Member& m = member(sequence);
  if (undescribed_.erase(sequence) == 0) return;
  looks_.add(sequence, look, changed);
  place(sequence, m);
}

void KeepOrder::set_feature(std::uint64_t sequence, const Signature& feature, const std::string& space,
                            Changed& changed) {
  Member& m = member(sequence);
  withdraw(sequence, m);
  leave_space(sequence, m, changed);
  m.space = &spaces_.try_emplace(space, Space{space, {}}).first->second;
  const std::size_t before = m.space->frames.size();
  m.space->frames.add(sequence, feature, changed);
  place(sequence, m);
  place_all_of(*m.space, before);
}

void KeepOrder::set_marks(std::uint64_t sequence, bool asked, bool unsent) {
  Member& m = member(sequence);
  if (m.marks.asked == asked && m.marks.unsent == unsent) return;
  withdraw(sequence, m);
  m.marks.asked = asked;
  m.marks.unsent = unsent;
  place(sequence, m);
}

std::optional<std::uint64_t> KeepOrder::next(Changed& changed) {
  if (asked_bytes_ > asked_limit_bytes_) return *asked_.begin();
  struct Candidate {
    std::uint64_t sequence;
    std::uint32_t distance;
    const Neighbours* of;  // null: without a look
  };
  std::vector<Candidate> candidates;
  const auto consider = [&](Neighbours& frames) {
    if (const auto least = frames.least(changed))
      candidates.push_back({least->sequence, least->distance, &frames});
  };
  consider(looks_);
  for (auto& [name, space] : spaces_) consider(space.frames);
  if (!blank_.empty()) candidates.push_back({*blank_.begin(), 0, nullptr});
  if (candidates.size() == 1) return candidates.front().sequence;
  if (!candidates.empty()) {
    // The medians decide between spaces: bounds would make them depend on how the store came to be.
    looks_.make_exact(changed);
    for (auto& [name, space] : spaces_) space.frames.make_exact(changed);
    const auto key = [](const Candidate& c) {
      return std::pair{c.of ? novelty(c.distance, c.of->typical()) : 1.0, c.sequence};
    };
    return std::min_element(candidates.begin(), candidates.end(),
                            [&](const Candidate& a, const Candidate& b) { return key(a) < key(b); })
        ->sequence;
  }
  for (auto it = members_.lower_bound(reserve_from_); it != members_.end(); ++it)
    if (!it->second.marks.asked && !it->second.marks.unsent) return it->first;
  if (!asked_.empty()) return *asked_.begin();
  return std::nullopt;
}

std::optional<std::uint64_t> KeepOrder::undescribed() const {
  if (undescribed_.empty()) return std::nullopt;
  return *undescribed_.begin();
}

Described KeepOrder::described(std::uint64_t sequence) const {
  Described described;
  if (looks_.has(sequence)) {
    described.look = looks_.signature(sequence);
    described.look_link = looks_.link(sequence);
  }
  if (const Space* space = member(sequence).space) {
    described.feature = space->frames.signature(sequence);
    described.space = space->name;
    described.feature_link = space->frames.link(sequence);
  }
  return described;
}

KeepOrder::Value KeepOrder::value(std::uint64_t sequence) const {
  const Member& m = member(sequence);
  if (m.marks.asked) return {kAskedValue, ValueSource::asked};
  if (m.space && m.space->frames.size() >= kLeastInSpace)
    return {novelty(m.space->frames.link(sequence).distance, m.space->frames.typical()),
            ValueSource::feature};
  if (looks_.has(sequence))
    return {novelty(looks_.link(sequence).distance, looks_.typical()), ValueSource::colour};
  return {};
}

}  // namespace driftloop::capture
