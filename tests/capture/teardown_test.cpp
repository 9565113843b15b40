// A source can be destroyed at any moment of its life, within a limit.
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <thread>

#include "capture/gst_source.h"
#include "tests/capture/capture_support.h"

namespace driftloop::capture {
namespace {
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kLimit{
    2000};  // without a hanging driver: the end of stream (0.7 s) and a busy machine

std::string rgb_sink(const std::string& head, const std::string& sink_options) {
  return head + " ! videoconvert ! video/x-raw,format=RGB ! appsink name=frames sync=false " + sink_options;
}

std::unique_ptr<GstSource> make(const std::string& pipeline) {
  GstSourceOptions options;
  options.pipeline = pipeline;
  options.what = pipeline;
  return std::make_unique<GstSource>(options);
}

struct Case {
  const char* name;
  std::string pipeline;
};

std::vector<Case> cases() {
  const std::string small = ",width=64,height=48,framerate=200/1";
  const std::string live = "videotestsrc is-live=true ! video/x-raw" + small;
  const auto live_of = [&](int buffers) {
    return "videotestsrc is-live=true num-buffers=" + std::to_string(buffers) + " ! video/x-raw" + small;
  };
  return {
      {"live, ends at once", rgb_sink(live_of(1), "max-buffers=2 drop=true")},
      {"live, ends soon", rgb_sink(live_of(4), "max-buffers=2 drop=true")},
      {"live, ends soon, a sink that waits", rgb_sink(live_of(4), "max-buffers=1 wait-on-eos=true")},
      {"live, goes on", rgb_sink(live, "max-buffers=2 drop=true")},
      {"live, goes on, a sink that waits", rgb_sink(live, "max-buffers=1")},
      {"live behind a queue", rgb_sink(live + " ! queue max-size-buffers=1", "max-buffers=1")},
      {"live with a second branch",
       rgb_sink(live + " ! tee name=t ! queue max-size-buffers=1", "max-buffers=1") +
           " t. ! queue max-size-buffers=1 ! fakesink sync=true"},
      {"live and slow", rgb_sink(live + " ! identity sleep-time=15000", "max-buffers=1")},
      {"live, fails", rgb_sink(live + " ! identity error-after=3", "max-buffers=2 drop=true")},
      {"finite, full", rgb_sink("videotestsrc ! video/x-raw" + small, "max-buffers=4 drop=false")},
      {"finite, full behind a queue",
       rgb_sink("videotestsrc ! video/x-raw" + small + " ! queue", "max-buffers=1")},
      {"finite, short",
       rgb_sink("videotestsrc num-buffers=3 ! video/x-raw" + small, "max-buffers=4 drop=false")},
      {"finite, fails",
       rgb_sink("videotestsrc ! video/x-raw" + small + " ! identity error-after=2", "max-buffers=4")},
  };
}

TEST(TeardownTest, NoStateOfASourceHoldsUpItsEnd) {
  std::mt19937 random(7);
  int destroyed = 0;
  for (int round = 0; round < 30; ++round) {
    for (const Case& one : cases()) {
      auto source = make(one.pipeline);
      // Never started; just started; so many frames read; and then a reader that pauses for a while.
      const int reads = static_cast<int>(random() % 6) - 1;
      const int pause_ms = static_cast<int>(random() % 4) * 7;
      if (reads == 0) (void)source->read(milliseconds(0));
      for (int i = 0; i < reads; ++i)
        if (source->read(milliseconds(200)).status != ReadStatus::frame) break;
      std::this_thread::sleep_for(milliseconds(pause_ms));
      const auto start = Clock::now();
      source.reset();
      const auto took = std::chrono::duration_cast<milliseconds>(Clock::now() - start);
      ASSERT_LT(took, kLimit) << one.name << " after " << reads << " reads and " << pause_ms << " ms";
      ++destroyed;
    }
  }
  EXPECT_GE(destroyed, 390);
  EXPECT_EQ(hung_pipelines(), 0U);
}

TEST(TeardownTest, AHangingDriverCostsTheLimitAndNoMore) {
  // Each picture holds up the streaming thread for 5 s, as a driver does that does not answer.
  const std::string hangs = rgb_sink(
      "videotestsrc is-live=true ! video/x-raw,width=64,height=48 ! identity sleep-time=5000000", "");
  for (int i = 0; i < 3; ++i) {
    auto source = make(hangs);
    (void)source->read(milliseconds(20));
    const auto start = Clock::now();
    source.reset();
    EXPECT_LT(Clock::now() - start, milliseconds(4000));
    if (i == 0) {
      EXPECT_GE(Clock::now() - start, milliseconds(2400)) << "it did not hang";
    }
  }
  EXPECT_GE(hung_pipelines(), 1U);  // the first may be free again by now
  const auto limit = Clock::now() + milliseconds(20'000);
  while (hung_pipelines() > 0 && Clock::now() < limit) std::this_thread::sleep_for(milliseconds(50));
  EXPECT_EQ(hung_pipelines(), 0U) << "what comes free again is not counted for ever";
}

TEST(TeardownTest, WithThreeThatHangTheNextOneAsksForANewProcess) {
  const std::string hangs = rgb_sink(
      "videotestsrc is-live=true ! video/x-raw,width=64,height=48 ! identity sleep-time=15000000", "");
  for (int i = 0; i < 3; ++i) (void)make(hangs)->read(milliseconds(20));
  ASSERT_EQ(hung_pipelines(), 3U);
  EXPECT_THROW(make(rgb_sink("videotestsrc", "")), NeedsNewProcess);
  // The process ends although they hang: nobody waits for them.
}

}  // namespace
}  // namespace driftloop::capture
