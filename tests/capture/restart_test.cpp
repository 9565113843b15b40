// Live sources that fail, hang, end and come back; nothing leaks over many restarts.
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>

#include "capture/gst_source.h"
#include "capture/restarting_source.h"
#include "config/check.h"
#include "tests/capture/capture_support.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
extern "C" std::size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace driftloop::capture {
namespace {
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

SourceOptions quick(const std::string& uri) {
  SourceOptions options;
  options.uri = uri;
  options.stall_timeout_ms = 400;
  options.start_timeout_ms = 800;
  options.restart_backoff_ms = 20;
  options.restart_backoff_max_ms = 100;
  return options;
}

/// Reads until `frames` frames came or `limit` passed.
struct Watched {
  std::size_t frames = 0;
  std::vector<std::string> messages;
  ReadResult last;
};
Watched watch(FrameSource& source, std::size_t frames, milliseconds limit) {
  Watched watched;
  const auto deadline = Clock::now() + limit;
  while (watched.frames < frames && Clock::now() < deadline) {
    watched.last = source.read(milliseconds(100));
    if (!watched.last.message.empty()) watched.messages.push_back(watched.last.message);
    watched.frames += watched.last.status == ReadStatus::frame;
    if (watched.last.status == ReadStatus::end || watched.last.status == ReadStatus::error) break;
  }
  return watched;
}

std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

std::size_t threads() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

/// Resident; under a sanitizer, which keeps freed blocks and shadow memory, what is allocated.
std::size_t memory_kb() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return __sanitizer_get_current_allocated_bytes() / 1024;
#else
  std::ifstream statm("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) / 1024;
#endif
}

constexpr const char* kLiveTwenty =
    "videotestsrc is-live=true num-buffers=20 ! video/x-raw,width=64,height=48,framerate=100/1";

TEST(RestartTest, AnErrorInALiveSourceIsToldAndMended) {
  const auto source =
      open_source(quick("videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=100/1 ! "
                        "identity error-after=15"));
  const Watched watched = watch(*source, 60, milliseconds(15'000));
  EXPECT_EQ(watched.frames, 60U);
  ASSERT_GE(watched.messages.size(), 3U);
  EXPECT_NE(watched.messages[0].find("identity"), std::string::npos) << watched.messages[0];
  EXPECT_NE(watched.messages[0].find("opened again in 20 ms"), std::string::npos) << watched.messages[0];
  EXPECT_GE(source->counters().restarts, 3U);
  EXPECT_EQ(source->counters().frames, 60U);
  EXPECT_EQ(watched.last.frame.sequence, 59U);
  EXPECT_EQ(watched.last.frame.name, "000059");
}

TEST(RestartTest, AnEndOfALiveStreamIsMendedToo) {
  const auto source = open_source(quick(kLiveTwenty));
  EXPECT_EQ(watch(*source, 50, milliseconds(15'000)).frames, 50U);
  EXPECT_GE(source->counters().restarts, 2U);
}

TEST(RestartTest, AFiniteSourceIsNeverRestarted) {
  const auto ends = open_source(quick("videotestsrc num-buffers=5 ! video/x-raw,width=64,height=48"));
  EXPECT_EQ(watch(*ends, 100, milliseconds(8000)).last.status, ReadStatus::end);
  const auto fails =
      open_source(quick("videotestsrc ! video/x-raw,width=64,height=48 ! identity error-after=5"));
  const Watched watched = watch(*fails, 100, milliseconds(8000));
  EXPECT_EQ(watched.last.status, ReadStatus::error);
  EXPECT_NE(watched.last.message.find("identity"), std::string::npos) << watched.last.message;
  EXPECT_EQ(fails->counters().restarts, 0U);
}

TEST(RestartTest, ASilentSourceIsAStallWithinItsTime) {
  // An appsrc that nobody feeds: it starts, and never says a thing.
  const auto source = open_source(quick(
      "appsrc is-live=true format=time caps=video/x-raw,format=RGB,width=8,height=8,framerate=5/1 ! queue"));
  const auto start = Clock::now();
  ReadResult result;
  do {
    result = source->read(milliseconds(50));
  } while (result.message.empty() && result.status == ReadStatus::timeout &&
           Clock::now() - start < milliseconds(5000));
  const auto took = Clock::now() - start;
  EXPECT_NE(result.message.find("no frame for 800 ms"), std::string::npos) << result.message;
  EXPECT_GE(took, milliseconds(750));
  EXPECT_LT(took, milliseconds(3000));
}

TEST(RestartTest, AStallAfterFramesIsSeenAndMended) {
  // A valve that closes: frames stop, no error, no end. EOS cannot pass it either.
  GstSourceOptions options;
  options.pipeline =
      "videotestsrc is-live=true num-buffers=10 ! video/x-raw,format=RGB,width=64,height=48,framerate=100/1 "
      "! "
      "identity eos-after=-1 ! queue ! input-selector name=s cache-buffers=false ! appsink name=frames "
      "sync=false "
      "appsrc is-live=true format=time ! s.";
  options.what = "stalling";
  options.stall_timeout = milliseconds(300);
  RestartingSource source(std::make_unique<GstSource>(options),
                          [options] { return std::make_unique<GstSource>(options); },
                          {milliseconds(10), milliseconds(50)});
  const Watched watched = watch(source, 25, milliseconds(20'000));
  EXPECT_EQ(watched.frames, 25U);
  EXPECT_GE(source.counters().restarts, 2U);
}

TEST(RestartTest, AnAbsentCameraIsRetriedWithGrowingWaits) {
  const auto source = open_source(quick("v4l2:///dev/video-that-is-not-there"));
  const Watched watched = watch(*source, 1, milliseconds(900));
  ASSERT_GE(watched.messages.size(), 4U);
  EXPECT_NE(watched.messages[0].find("video-that-is-not-there"), std::string::npos) << watched.messages[0];
  EXPECT_NE(watched.messages[0].find("in 20 ms"), std::string::npos) << watched.messages[0];
  EXPECT_NE(watched.messages[1].find("in 40 ms"), std::string::npos);
  EXPECT_NE(watched.messages[3].find("in 100 ms"), std::string::npos);
  EXPECT_EQ(source->life(), Life::live);
}

TEST(RestartTest, AReopenThatThrowsIsAFailureLikeAnother) {
  struct Ending : FrameSource {
    SourceCounters counters() const override { return {}; }
    Life life() const override { return Life::live; }
    ReadResult do_read(milliseconds) override { return {ReadStatus::end, {}, {}}; }
  };
  int attempts = 0;
  RestartingSource source(
      std::make_unique<Ending>(),
      [&]() -> std::unique_ptr<FrameSource> { throw Error("still gone " + std::to_string(++attempts)); },
      {milliseconds(1), milliseconds(2)});
  const Watched watched = watch(source, 1, milliseconds(500));
  EXPECT_GT(attempts, 3);
  ASSERT_GT(watched.messages.size(), 3U);
  EXPECT_NE(watched.messages[1].find("still gone 1"), std::string::npos) << watched.messages[1];
}

/// A camera that gives one frame and then fails, each time it is opened.
struct Flapping : FrameSource {
  bool given = false;
  SourceCounters counters() const override { return {}; }
  Life life() const override { return Life::live; }
  ReadResult do_read(milliseconds) override {
    if (given) return {ReadStatus::error, {}, "the plug is loose"};
    given = true;
    ReadResult result{ReadStatus::frame, {}, {}};
    result.frame = frame_of(scene_rgb(8, 8, 1), "0");
    return result;
  }
};

TEST(RestartTest, AFlappingCameraIsOpenedLessAndLessOften) {
  const auto reopen = [] { return std::make_unique<Flapping>(); };
  RestartOptions options{milliseconds(10), milliseconds(300), milliseconds(60'000), 0};
  RestartingSource flapping(reopen(), reopen, options);
  const Watched watched = watch(flapping, 1000, milliseconds(1500));
  // 10, 20, ... 160, 300, 300, 300: with waits that begin anew after each frame there would be over a
  // hundred.
  EXPECT_GE(watched.messages.size(), 5U);
  EXPECT_LE(watched.messages.size(), 10U);
  EXPECT_NE(watched.messages.back().find("in 300 ms"), std::string::npos) << watched.messages.back();
}

TEST(RestartTest, AfterAHealthyStretchTheWaitsBeginAnew) {
  const auto reopen = [] { return std::make_unique<Flapping>(); };
  RestartOptions options{milliseconds(10), milliseconds(300), milliseconds(0), 0};
  RestartingSource flapping(reopen(), reopen, options);
  for (const std::string& message : watch(flapping, 20, milliseconds(8000)).messages)
    EXPECT_NE(message.find("in 10 ms"), std::string::npos) << message;
}

TEST(RestartTest, SoManyFailuresInARowAskForANewProcess) {
  auto options = quick("v4l2:///dev/video-that-is-not-there");
  options.give_up_after = 4;
  options.restart_backoff_max_ms = 20;
  const auto source = open_source(options);
  std::string why;
  std::size_t told = 0;
  try {
    for (int i = 0; i < 100; ++i) told += !source->read(milliseconds(100)).message.empty();
    FAIL() << "it never gave up";
  } catch (const NeedsNewProcess& error) {
    why = error.what();
  }
  EXPECT_EQ(told, 3U);
  EXPECT_NE(why.find("4 failures in a row"), std::string::npos) << why;
  EXPECT_NE(why.find("video-that-is-not-there"), std::string::npos) << why;
}

TEST(RestartTest, AFrameBetweenTheFailuresIsNoRow) {
  const auto reopen = [] { return std::make_unique<Flapping>(); };
  RestartingSource flapping(reopen(), reopen, {milliseconds(1), milliseconds(1), milliseconds(60'000), 2});
  EXPECT_EQ(watch(flapping, 20, milliseconds(8000)).frames, 20U);
}

TEST(RestartTest, AReopenThatAsksForANewProcessIsNotRetried) {
  RestartingSource source(std::make_unique<Flapping>(),
                          []() -> std::unique_ptr<FrameSource> { throw NeedsNewProcess("the driver hangs"); },
                          {milliseconds(1), milliseconds(1)});
  EXPECT_THROW(watch(source, 5, milliseconds(2000)), NeedsNewProcess);
}

TEST(RestartTest, APasswordIsNeverTold) {
  const std::string secret = "hunter2secret";
  for (const std::string& uri :
       {"rtsp://admin:" + secret + "@127.0.0.1:9/stream", "rtsp://" + secret + "@127.0.0.1:9/stream",
        "rtspsrc location=rtsp://127.0.0.1:9/s user-id=admin user-pw=" + secret +
            " protocols=tcp ! decodebin",
        "rtspsrc location=rtsp://admin:" + secret + "@127.0.0.1:9/s protocols=tcp ! decodebin",
        "nosuchelement location=rtsp://admin:" + secret + "@127.0.0.1:9/s ! decodebin",
        "rtspsrc location=rtsp://admin:" + secret + "@127.0.0.1:9/s ! ! " + secret,
        "souphttpsrc location=http://admin:" + secret + "@127.0.0.1:9/s.mjpg ! jpegdec",
        "filesrc location=/nowhere/" + std::string("user-pw=") + secret + " ! decodebin",
        "rtsp:/admin:" + secret + "@127.0.0.1:9/s", "rtzp://admin:" + secret + "@127.0.0.1:9/s",
        "csi://admin:" + secret + "@0?user-pw=" + secret}) {
    std::vector<std::string> told;
    try {
      const auto source = open_source(quick(uri));
      const Watched watched = watch(*source, 1, milliseconds(400));
      told = watched.messages;
    } catch (const Error& error) {
      told.emplace_back(error.what());
    }
    const std::string shown = uri.substr(0, 12);
    ASSERT_FALSE(told.empty()) << shown << ": a source that cannot work says so";
    for (const std::string& message : told)
      EXPECT_EQ(message.find(secret), std::string::npos) << shown << ": " << message;
  }
}

TEST(RestartTest, DescriptorsThreadsAndMemoryStayFlat) {
  auto options =
      quick("videotestsrc is-live=true num-buffers=2 ! video/x-raw,width=64,height=48,framerate=500/1");
  options.restart_backoff_ms = 1;
  options.restart_backoff_max_ms = 1;
  const auto source = open_source(options);
  ASSERT_EQ(watch(*source, 60, milliseconds(30'000)).frames, 60U);
  const auto descriptors = open_descriptors(), running = threads(), kb = memory_kb();
  const auto before = source->counters().restarts;
  ASSERT_EQ(watch(*source, 400, milliseconds(60'000)).frames, 400U);
  EXPECT_GE(source->counters().restarts - before, 190U);
  EXPECT_LE(open_descriptors(), descriptors + 4);
  EXPECT_LE(threads(), running + 4);
  EXPECT_LE(memory_kb(), kb + 8192);
}

TEST(RestartTest, ACorruptStreamNeitherCrashesNorStops) {
  // Every JPEG of the stream is damaged at random: the decoder warns, we count and go on.
  const auto source =
      open_source(quick("videotestsrc num-buffers=60 ! video/x-raw,width=64,height=48 ! jpegenc ! "
                        "breakmydata seed=7 probability=0.02 "
                        "! jpegdec max-errors=-1"));
  const Watched watched = watch(*source, 1000, milliseconds(20'000));
  EXPECT_TRUE(watched.last.status == ReadStatus::end || watched.last.status == ReadStatus::error);
  EXPECT_LE(source->counters().frames, 60U);
}

}  // namespace
}  // namespace driftloop::capture
