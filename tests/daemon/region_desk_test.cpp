// The desk between learner and link, with a real store and a real outbox, and a learner that is a table.
#include "daemon/live/region_desk.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <opencv2/imgcodecs.hpp>

#include "daemon/live/store_pool.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
using uplink::StoreOutcome;

std::string png(const cv::Mat& image) {
  std::vector<uchar> bytes;
  cv::imencode(".png", image, bytes);
  return {bytes.begin(), bytes.end()};
}

class Desk : public testing::Test {
 protected:
  Desk() : store_(store_options()), pool_(store_), outbox_(folder_ / "outbox.sqlite") {
    options_.vehicle_id = "car7";
    options_.engine.label_space = "cityscapes19";
    options_.loop.context_px = 4;
    options_.loop.crop_format = "png";
    pace_.set(options_.loop);
    for (int i = 0; i < 3; ++i) {
      capture::Frame frame;
      frame.image_rgb = cv::Mat(48, 64, CV_8UC3, cv::Scalar(40 + 20 * i, 120, 10));
      frame.name = "drive_00000" + std::to_string(i);
      EXPECT_EQ(store_.put(frame).status, capture::PutStatus::stored);
    }
    for (const auto& frame : store_.list()) frames_.push_back(frame.id);
  }

  capture::StoreOptions store_options() const {
    capture::StoreOptions o;
    o.folder = folder_ / "frames";
    o.quota_bytes = 8'000'000;
    o.ballast_bytes = 0;
    return o;
  }

  /// The learner asked for a region of this frame; its id.
  std::uint64_t ask(std::size_t frame, cv::Rect box = {8, 8, 8, 8}) {
    const std::uint64_t id = ++last_id_;
    asked_[id] = {frame < frames_.size() ? frames_[frame] : "gone", box, 0.5, id};
    return id;
  }

  /// As the next process builds it: on the place that was saved.
  RegionDesk desk() {
    return {{options_, pace_, store_, pool_, outbox_,
             [this] {
               std::vector<adapt::Region> all;
               for (const auto& [id, region] : asked_) all.push_back(region);
               return all;
             },
             [this](std::uint64_t id) -> std::optional<adapt::Region> {
               const auto found = asked_.find(id);
               return found == asked_.end() ? std::nullopt : std::optional(found->second);
             },
             [this](const cv::Mat& image) -> std::optional<cv::Mat> {
               if (stops_) return std::nullopt;
               ++looks_;
               return cv::Mat(image.size(), CV_8UC1, cv::Scalar(3));
             },
             [this] { return clock_s_; }},
            place_};
  }

  void answer(const PendingRegion& region, uplink::LabelReply::Outcome outcome, cv::Size mask = {8, 8}) {
    uplink::LabelReply reply;
    reply.request_digest = region.digest;
    reply.outcome = outcome;
    reply.labeller = "test";
    if (outcome == uplink::LabelReply::Outcome::labelled)
      reply.mask_png = png(cv::Mat(mask, CV_8UC1, cv::Scalar(13)));
    else
      reply.reason = "no truth";
    std::vector<uplink::LabelFate> fates;
    const std::vector<std::string> digests = {region.digest};
    const std::vector<uplink::ArrivedLabel> labels = {{region.digest, uplink::encode(reply)}};
    ASSERT_EQ(outbox_.mark_receipted(digests), StoreOutcome::done);
    ASSERT_EQ(outbox_.store_labels(labels, fates), StoreOutcome::done);
    ASSERT_THAT(fates, ElementsAre(uplink::LabelFate::stored));
  }
  static constexpr auto kLabelled = uplink::LabelReply::Outcome::labelled;
  static constexpr auto kRefused = uplink::LabelReply::Outcome::refused;

  capture::StoredFrame stored(std::size_t frame) { return store_.find(frames_[frame]).value(); }

  test::TempFolder folder_;
  DaemonOptions options_;
  Latest<LoopOptions> pace_;
  capture::FrameStore store_;
  StorePool pool_;
  uplink::Outbox outbox_;
  std::vector<std::string> frames_;
  std::map<std::uint64_t, adapt::Region> asked_;
  std::uint64_t last_id_ = 0;
  int looks_ = 0;
  bool stops_ = false;
  double clock_s_ = 1000;
  Place place_;
};

TEST_F(Desk, CodesInTheOrderOfTheIdsWithOneLookAtEachFrame) {
  RegionDesk desk = this->desk();
  const std::vector<std::uint64_t> ids = {ask(2), ask(0), ask(2, {30, 20, 8, 8})};
  ASSERT_TRUE(desk.code(ids));
  EXPECT_EQ(looks_, 2);
  ASSERT_THAT(place_.pending, SizeIs(3));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    EXPECT_EQ(place_.pending[i].id, ids[i]);
    EXPECT_EQ(place_.pending[i].round, place_.round);
    EXPECT_EQ(place_.pending[i].asked_s, clock_s_);
  }
  EXPECT_EQ(place_.asked_this_round, 3);
  EXPECT_EQ(outbox_.pending(), 0) << "the place is to be saved first";
  ASSERT_EQ(desk.queue(), StoreOutcome::done);
  EXPECT_EQ(outbox_.pending(), 3);
  const auto request = uplink::decode_region(*outbox_.payload(place_.pending[2].digest));
  ASSERT_TRUE(request);
  EXPECT_EQ(request.value->box, (uplink::Box{30, 20, 8, 8}));
  EXPECT_EQ(request.value->frame_name, "drive_000002");
}

TEST_F(Desk, MessagesSayWhatChoseThemAndTheirBytesAreCounted) {
  RegionDesk desk = this->desk();
  const double expected = desk.bytes_per_region();
  EXPECT_GT(expected, 8 * 8);
  place_.strategy = "ripu";
  const std::vector<std::uint64_t> ids = {ask(0), ask(1)};
  ASSERT_TRUE(desk.code(ids));
  ASSERT_EQ(desk.queue(), StoreOutcome::done);
  std::size_t bytes = 0;
  for (const auto& pending : place_.pending) {
    const auto payload = *outbox_.payload(pending.digest);
    EXPECT_EQ(uplink::decode_region(payload).value->strategy, "ripu");
    bytes += payload.size();
  }
  EXPECT_EQ(desk.bytes_per_region(), static_cast<double>(bytes) / 2);
  EXPECT_EQ(this->desk().bytes_per_region(), desk.bytes_per_region()) << "the next process knows it, too";
}

TEST_F(Desk, ARegionOfAFrameThatIsGoneIsDropped) {
  RegionDesk desk = this->desk();
  const std::vector<std::uint64_t> ids = {ask(99), ask(1)};
  ASSERT_TRUE(desk.code(ids));
  ASSERT_THAT(place_.pending, SizeIs(1));
  EXPECT_EQ(place_.pending[0].id, ids[1]);
  EXPECT_EQ(place_.asked_this_round, 1);
}

TEST_F(Desk, AStopWhileCodingNotesNothing) {
  RegionDesk desk = this->desk();
  const std::vector<std::uint64_t> ids = {ask(0), ask(1)};
  stops_ = true;
  EXPECT_FALSE(desk.code(ids));
  EXPECT_THAT(place_.pending, IsEmpty());
  stops_ = false;
  ASSERT_TRUE(desk.code(ids));
  RegionDesk next = this->desk();
  stops_ = true;
  const auto before = place_.pending;
  EXPECT_FALSE(next.code_again());
  EXPECT_EQ(place_.pending, before) << "what was saved is still to be coded";
}

TEST_F(Desk, AKillBetweenSavingAndQueueingIsMadeUpForAndAsksNothingTwice) {
  const std::vector<std::uint64_t> ids = {ask(0), ask(1)};
  {
    RegionDesk desk = this->desk();
    ASSERT_TRUE(desk.code(ids));
    EXPECT_FALSE(desk.must_code_again());
  }
  const auto saved = place_.pending;
  {
    RegionDesk next = this->desk();
    ASSERT_TRUE(next.must_code_again());
    ASSERT_TRUE(next.code_again());
    EXPECT_EQ(place_.pending, saved);
    ASSERT_EQ(next.queue(), StoreOutcome::done);
    EXPECT_EQ(outbox_.pending(), 2);
  }
  RegionDesk after = this->desk();  // killed after queueing, before the wait
  EXPECT_FALSE(after.must_code_again());
  ASSERT_EQ(after.queue(), StoreOutcome::done);
  EXPECT_EQ(outbox_.pending(), 2);
}

TEST_F(Desk, ARoundWithoutRegionsHasNothingToQueue) {
  RegionDesk desk = this->desk();
  ASSERT_TRUE(desk.code({}));
  EXPECT_FALSE(desk.must_code_again());
  EXPECT_EQ(desk.queue(), StoreOutcome::done);
  EXPECT_EQ(outbox_.pending(), 0);
}

TEST_F(Desk, LabelsComeInOnceAndWhatWillNeverComeIsPendingNoLonger) {
  RegionDesk desk = this->desk();
  const std::vector<std::uint64_t> ids = {ask(0), ask(1), ask(2), ask(2, {30, 20, 8, 8}),
                                          ask(0, {40, 4, 8, 8})};
  ASSERT_TRUE(desk.code(ids));
  ASSERT_EQ(desk.queue(), StoreOutcome::done);
  const auto pending = place_.pending;
  answer(pending[0], kLabelled);
  answer(pending[1], kRefused);
  answer(pending[2], kLabelled, {7, 8});  // not the size of the region
  ASSERT_EQ(outbox_.mark_refused(pending[3].digest, "not wanted"), StoreOutcome::done);

  const auto labels = desk.take_labels();
  ASSERT_THAT(labels, SizeIs(1));
  EXPECT_EQ(labels[0].id, ids[0]);
  EXPECT_EQ(labels[0].frame_id, frames_[0]);
  EXPECT_EQ(labels[0].label.at<uchar>(0, 0), 13);
  ASSERT_THAT(place_.pending, SizeIs(1));
  EXPECT_EQ(place_.pending[0].id, ids[4]);
  EXPECT_EQ(place_.merged_row, 3);
  EXPECT_THAT(desk.take_labels(), IsEmpty());
}

TEST_F(Desk, AnAnswerToARetiredRegionTeachesNothing) {
  RegionDesk desk = this->desk();
  const std::vector<std::uint64_t> ids = {ask(0), ask(1)};
  ASSERT_TRUE(desk.code(ids));
  ASSERT_EQ(desk.queue(), StoreOutcome::done);
  const auto pending = place_.pending;
  asked_.erase(ids[0]);
  answer(pending[0], kLabelled);
  EXPECT_THAT(desk.take_labels(), IsEmpty());
  desk.forget_retired();
  ASSERT_THAT(place_.pending, SizeIs(1));
  EXPECT_EQ(place_.pending[0].id, ids[1]);
}

TEST_F(Desk, LateAnswersAreThoseThatNoRoundMerged) {
  RegionDesk desk = this->desk();
  EXPECT_EQ(desk.late_answers(), 0);
  const std::vector<std::uint64_t> ids = {ask(0), ask(1), ask(2)};
  ASSERT_TRUE(desk.code(ids));
  ASSERT_EQ(desk.queue(), StoreOutcome::done);
  EXPECT_EQ(desk.late_answers(), 0);
  const auto pending = place_.pending;
  answer(pending[0], kLabelled);
  EXPECT_EQ(desk.late_answers(), 1);
  answer(pending[1], kRefused);
  EXPECT_EQ(desk.late_answers(), 2);
  desk.take_labels();
  EXPECT_EQ(desk.late_answers(), 0);
}

TEST_F(Desk, FramesOfUnansweredRegionsArePinnedUntilTheWaitIsGivenUp) {
  RegionDesk desk = this->desk();
  const std::vector<std::uint64_t> ids = {ask(0), ask(0, {30, 20, 8, 8}), ask(1)};
  ASSERT_TRUE(desk.code(ids));
  ASSERT_EQ(desk.queue(), StoreOutcome::done);
  desk.mark_frames();
  EXPECT_EQ(stored(0).unsent, 2);
  EXPECT_EQ(stored(1).unsent, 1);
  EXPECT_TRUE(stored(1).asked);
  EXPECT_FALSE(stored(2).asked);
  EXPECT_EQ(desk.open(), 3);
  EXPECT_THAT(desk.waited_for(), UnorderedElementsAre(ids[0], ids[1], ids[2]));

  answer(place_.pending[0], kLabelled);
  desk.take_labels();
  desk.mark_frames();
  EXPECT_EQ(stored(0).unsent, 1);

  clock_s_ += 86'400 * (*pace_.get().give_up_after_days + 1);
  EXPECT_EQ(desk.open(), 0);
  EXPECT_THAT(desk.waited_for(), IsEmpty());
  desk.mark_frames();
  EXPECT_EQ(stored(0).unsent, 0);
  EXPECT_TRUE(stored(0).asked) << "its label can still be learnt from";
}

TEST_F(Desk, AWatchCountsThisRoundAndKnowsWhenNothingMoreCanCome) {
  const std::vector<std::uint64_t> before = {ask(0)};
  RegionDesk desk = this->desk();
  ASSERT_TRUE(desk.code(before));
  ASSERT_EQ(desk.queue(), StoreOutcome::done);
  place_.round = 2;
  const std::vector<std::uint64_t> ids = {ask(1), ask(2)};
  ASSERT_TRUE(desk.code(ids));
  ASSERT_EQ(desk.queue(), StoreOutcome::done);
  const auto pending = place_.pending;
  AnswerWatch watch(desk);
  watch.look();
  EXPECT_EQ(watch.closed(), 0);
  EXPECT_FALSE(watch.any_label());
  ASSERT_EQ(outbox_.mark_refused(pending[1].digest, "not wanted"), StoreOutcome::done);
  watch.look();
  EXPECT_EQ(watch.closed(), 1);
  answer(pending[0], kLabelled);  // of round 1
  watch.look();
  EXPECT_EQ(watch.closed(), 1);
  EXPECT_TRUE(watch.any_label());
  EXPECT_FALSE(watch.none_open());
  answer(pending[2], kRefused);
  watch.look();
  EXPECT_EQ(watch.closed(), 2);
  EXPECT_TRUE(watch.none_open());
}

}  // namespace
}  // namespace driftloop::daemon
