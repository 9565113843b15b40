// The desk between the learner and the link: regions on their way out, labels on their way in. It keeps the
// book of what was asked and not yet answered, which is a part of the loop's place. It saves nothing: its
// owner saves the place after code() and before queue(), and after take_labels().
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "adapt/data/frame_pool.h"
#include "adapt/region.h"
#include "capture/frame_store.h"
#include "daemon/live/daemon_options.h"
#include "daemon/live/latest.h"
#include "daemon/live/live_place.h"
#include "daemon/live/region_codec.h"
#include "uplink/outbox.h"

namespace driftloop::daemon {

/// Everything outlives the desk.
struct DeskParts {
  const DaemonOptions& options;
  const Latest<LoopOptions>& pace;
  capture::FrameStore& store;
  const adapt::FramePool& pool;  // of the same store
  uplink::Outbox& outbox;
  std::function<std::vector<adapt::Region>()> asked;                       // all that the learner remembers
  std::function<std::optional<adapt::Region>(std::uint64_t id)> asked_id;  // one of them
  /// What the live model sees: trainIds of the image's size; nothing when a stop came first.
  std::function<std::optional<cv::Mat>(const cv::Mat& image_rgb)> look;
  std::function<double()> clock_s;  // AskBudget::clock_s()
};

class RegionDesk {
 public:
  /// `place` outlives the desk and is shared with the loop.
  RegionDesk(DeskParts parts, Place& place);

  /// Makes the messages of asked regions and notes their digests as pending, in the order of the ids. A
  /// region whose frame is gone, or that cannot be sent, is dropped and counted. False at a stop: nothing is
  /// noted.
  bool code(std::span<const std::uint64_t> ids);
  /// Whether the round's saved choice is neither in the outbox nor coded here: a kill came between. Its
  /// digests may then come out differently (another picture decoder), so the place is to be saved again.
  bool must_code_again();
  bool code_again();
  /// Puts the round's choice into the outbox, all of it in one transaction, unless an earlier run did.
  [[nodiscard]] uplink::StoreOutcome queue();

  /// What the inbox holds after the last merged row, as labels for the learner; moves the place past it. What
  /// was refused, is unusable or will never come is pending no longer.
  std::vector<adapt::RegionLabel> take_labels();
  /// Answers in the inbox that no round has merged yet. Looks only when the outbox has changed.
  std::int64_t late_answers();

  /// What a region takes on the link, bytes: the mean of all messages made so far.
  double bytes_per_region() const;

  /// Pending regions that are still waited for, and whether this one has waited too long.
  std::int64_t open() const;
  bool given_up(const PendingRegion& region) const;
  std::set<std::uint64_t> waited_for() const;
  /// Forgets the pending regions that the learner has retired.
  void forget_retired();
  /// Tells the store which frames the learner needs: unanswered ones are never evicted, asked ones last.
  void mark_frames();

 private:
  friend class AnswerWatch;
  CodecOptions codec() const;
  void close_unanswerable(std::set<std::string>& open);
  std::vector<std::uint64_t> ids_of_this_round() const;
  bool is_queued();

  DeskParts parts_;
  Place& place_;
  std::vector<uplink::OutboundItem> items_;  // coded and not yet queued
  std::uint64_t late_revision_ = 0;          // of the outbox, when late_answers_ was counted
  std::int64_t late_after_row_ = -1, late_answers_ = 0;
};

/// Which of the pending regions were answered since the watch began, merged or not.
class AnswerWatch {
 public:
  explicit AnswerWatch(RegionDesk& desk);
  /// Reads what came since the last look.
  void look();
  /// Regions of this round that were answered, refused, or can have no answer.
  std::int64_t closed() const;
  bool any_label() const { return any_label_; }
  /// No answer can come any more, not even of earlier rounds.
  bool none_open() const { return open_of_all_.empty(); }

 private:
  RegionDesk& desk_;
  std::set<std::string> open_, open_of_all_;  // digests
  std::int64_t seen_row_;
  bool any_label_ = false;
  std::optional<std::uint64_t> looked_at_;  // the outbox's revision
};

}  // namespace driftloop::daemon
