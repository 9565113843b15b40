// Which frame of the store goes next, when something must go.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "capture/frame_store.h"
#include "capture/neighbours.h"
#include "capture/signature.h"

namespace driftloop::capture {

/// What is known about the content of one frame, as the index stores it.
struct Described {
  std::optional<Signature> look;  // absent: from an index of an earlier version, until it is made again
  Link look_link;
  std::optional<Signature> feature;
  std::string space;  // of the feature
  Link feature_link;
};

struct KeepMarks {
  bool asked = false;
  bool unsent = false;
  std::int64_t bytes = 0;
};

/// In this order:
///  1. asked frames that are answered, the oldest first, while they take more than their share of the quota;
///  2. the plain frame that is least novel: whose nearest kept neighbour is nearest. Of equals the oldest.
///  The
///     newest tenth of the frames is a reserve that is spared, so that what is new can gather neighbours;
///  3. the reserve, then the asked frames, each the oldest first.
/// Frames with unsent regions never go. By this the kept frames thin out where they are dense, and a domain
/// that is rare but unlike the others stays.
///
/// Distances of different spaces (the look; the features of one model) are compared after division by the
/// median distance in their own space. A frame is judged by its feature where at least eight frames have one
/// of the same space, and by its look otherwise. The order is a function of what is kept and stored: the same
/// after a restart.
class KeepOrder {
 public:
  using Changed = Neighbours::Changed;  // frames whose Described changed are appended

  explicit KeepOrder(std::int64_t asked_limit_bytes) : asked_limit_bytes_(asked_limit_bytes) {}
  KeepOrder(const KeepOrder&) = delete;  // its parts point at one another
  KeepOrder& operator=(const KeepOrder&) = delete;

  void restore(std::uint64_t sequence, const KeepMarks& marks, const Described& described);
  void settle();  // after the last restore

  void add(std::uint64_t sequence, const KeepMarks& marks, const Signature& look, Changed& changed);
  void remove(std::uint64_t sequence);
  void set_look(std::uint64_t sequence, const Signature& look, Changed& changed);
  void set_feature(std::uint64_t sequence, const Signature& feature, const std::string& space,
                   Changed& changed);
  void set_marks(std::uint64_t sequence, bool asked, bool unsent);

  /// Nothing when all that is left is unsent.
  std::optional<std::uint64_t> next(Changed& changed);
  /// The oldest frame without a look.
  std::optional<std::uint64_t> undescribed() const;
  Described described(std::uint64_t sequence) const;
  bool has_feature(std::uint64_t sequence, const std::string& space) const {
    const Space* there = member(sequence).space;
    return there && there->name == space;
  }
  struct Value {
    double value = 1;
    ValueSource source = ValueSource::colour;
  };
  Value value(std::uint64_t sequence) const;

 private:
  struct Space {
    std::string name;
    Neighbours frames;
  };
  struct Member {
    KeepMarks marks;
    Space* space = nullptr;         // of its feature
    Neighbours* offered = nullptr;  // where it is a candidate
    bool is_blank_offered = false, is_asked_offered = false;
  };
  using Members = std::map<std::uint64_t, Member>;

  Member& member(std::uint64_t sequence);
  const Member& member(std::uint64_t sequence) const;
  bool in_reserve(std::uint64_t sequence) const { return sequence >= reserve_from_; }
  void place(std::uint64_t sequence, Member& member);
  void withdraw(std::uint64_t sequence, Member& member);
  void place_all_of(Space& space, std::size_t size_before);
  void leave_space(std::uint64_t sequence, Member& member, Changed& changed);
  void set_reserve();

  std::int64_t asked_limit_bytes_;
  Members members_;
  Neighbours looks_;
  std::map<std::string, Space> spaces_;  // nodes stay where they are
  std::set<std::uint64_t> blank_;        // candidates without a look
  std::set<std::uint64_t> undescribed_;  // all without a look
  std::set<std::uint64_t> asked_;        // asked and answered
  std::int64_t asked_bytes_ = 0;         // of those
  std::uint64_t reserve_from_ = 0;
  std::size_t reserve_size_ = 0;
  bool settled_ = true;
};

}  // namespace driftloop::capture
