// The capture thread over a folder of pictures: what a restart repeats, skips and says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <sstream>
#include <thread>

#include "config/check.h"
#include "config/digest.h"
#include "config/durable_file.h"
#include "daemon/live/capture_thread.h"
#include "daemon/live/log_limit.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {

void write_drive(const std::filesystem::path& folder, int count) {
  std::filesystem::create_directories(folder);
  for (int i = 0; i < count; ++i) {
    cv::Mat picture(48, 64, CV_8UC3, cv::Scalar::all(60));
    cv::rectangle(picture, cv::Rect(4 * i, 8, 20, 20), cv::Scalar(200, 40 * i, 90), cv::FILLED);
    cv::imwrite((folder / ("drive_00000" + std::to_string(i) + ".png")).string(), picture);
  }
}

/// Everything that is logged meanwhile.
class CapturedLog {
 public:
  CapturedLog() : before_(spdlog::default_logger()) {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(text_);
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("captured", sink));
  }
  ~CapturedLog() { spdlog::set_default_logger(before_); }
  std::string text() const { return text_.str(); }
  std::size_t lines() const {
    const std::string all = text();
    return static_cast<std::size_t>(std::count(all.begin(), all.end(), '\n'));
  }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

class LiveCapture : public testing::Test {
 protected:
  capture::StoreOptions store_options() const {
    capture::StoreOptions o;
    o.folder = folder_ / "frames";
    o.quota_bytes = 8'000'000;
    o.ballast_bytes = 0;
    return o;
  }

  /// A thread that runs until stop() or its end.
  void start(const std::string& uri) {
    store_.emplace(store_options());
    status_.emplace(folder_ / "status.json");
    health_.emplace();
    camera_.uri = uri;
    thread_ = start_owner(Owner::capture, *health_, [this](std::stop_token stop) {
      run_capture({camera_, folder_ / "capture.json", gate_, *store_, *status_, *health_, news_, retry_},
                  stop);
    });
  }
  /// Returns the names in the store afterwards.
  std::vector<std::string> end() {
    thread_.join();
    return names();
  }
  std::vector<std::string> stop() {
    thread_.request_stop();
    return end();
  }
  std::vector<std::string> capture(const std::string& uri) {
    start(uri);
    return end();
  }
  std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const auto& frame : store_->list()) all.push_back(frame.name);
    return all;
  }
  std::string trouble() const { return health_->trouble(Owner::capture); }
  /// The camera's message in the status file.
  std::string told_message() {
    status_->write({}, LiveStatus::Ending::stopped);
    return nlohmann::json::parse(config::read_file(folder_ / "status.json"))["camera"]["message"];
  }
  template <class Condition>
  bool wait_for(Condition condition) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    bool met = condition();
    for (; !met && std::chrono::steady_clock::now() < limit; met = condition())
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return met;
  }

  test::TempFolder folder_;
  std::optional<capture::FrameStore> store_;
  std::optional<LiveStatus> status_;
  std::optional<Health> health_;
  News news_;
  capture::SourceOptions camera_;
  Latest<capture::GateOptions> gate_{capture::GateOptions{}};
  CaptureRetry retry_{std::chrono::milliseconds(20), std::chrono::milliseconds(80)};
  std::jthread thread_;
};

TEST_F(LiveCapture, EndedDriveIsNotReadAgain) {
  write_drive(folder_ / "drive", 3);
  const std::string uri = "images://" + (folder_ / "drive").string();
  const auto names = capture(uri);
  EXPECT_THAT(names, testing::ElementsAre("drive_000000", "drive_000001", "drive_000002"));
  EXPECT_TRUE(health_->is_finished(Owner::capture));
  EXPECT_EQ(capture(uri), names);
  EXPECT_TRUE(health_->is_finished(Owner::capture));
}

TEST_F(LiveCapture, CutDriveIsCompletedWithoutRepeats) {
  write_drive(folder_ / "drive", 2);
  const std::string uri = "images://" + (folder_ / "drive").string();
  ASSERT_EQ(capture(uri).size(), 2u);
  // As a process leaves it that is killed after two of five pictures: stored, and the drive not at its end.
  config::write_durably(folder_ / "capture.json",
                        R"({"uri": ")" + uri + R"(", "first_sequence": 0, "ended": false})");
  write_drive(folder_ / "drive", 5);
  EXPECT_EQ(capture(uri).size(), 5u);
}

TEST_F(LiveCapture, AnotherDriveMayRepeatNames) {
  write_drive(folder_ / "drive", 2);
  write_drive(folder_ / "second", 2);
  ASSERT_EQ(capture("images://" + (folder_ / "drive").string()).size(), 2u);
  EXPECT_EQ(capture("images://" + (folder_ / "second").string()).size(), 4u);
}

TEST_F(LiveCapture, ProgressWithoutAPasswordIsKnownByItsDigest) {
  write_drive(folder_ / "drive", 2);
  const std::string uri = "images://" + (folder_ / "drive").string();
  ASSERT_EQ(capture(uri).size(), 2u);
  const std::string progress = config::read_file(folder_ / "capture.json");
  EXPECT_THAT(progress, testing::HasSubstr(config::sha256_hex(uri)));
  EXPECT_THAT(progress, testing::Not(testing::HasSubstr("\"uri\"")));
  write_drive(folder_ / "drive", 5);
  EXPECT_EQ(capture(uri).size(), 2u) << "the drive was at its end";
}

TEST_F(LiveCapture, ABadSourceIsDegradedAndComesBack) {
  start("images://" + (folder_ / "later").string());
  ASSERT_TRUE(wait_for([&] { return !trouble().empty(); }));
  EXPECT_THAT(trouble(), testing::HasSubstr("later"));
  EXPECT_FALSE(health_->is_finished(Owner::capture));
  write_drive(folder_ / "next", 3);
  std::filesystem::rename(folder_ / "next", folder_ / "later");
  ASSERT_TRUE(wait_for([&] { return health_->is_finished(Owner::capture); }));
  EXPECT_EQ(end().size(), 3u);
  EXPECT_EQ(trouble(), "");
  EXPECT_FALSE(health_->death());
}

TEST_F(LiveCapture, NoBadSourceEndsTheDaemon) {
  std::ofstream(folder_ / "corrupt.mkv") << std::string(5000, 'x');
  for (const std::string& uri :
       {std::string("nosuch://camera"), std::string("nosuchelement ! fakesink"),
        "file://" + (folder_ / "corrupt.mkv").string(), "file://" + (folder_ / "nowhere.mkv").string(),
        std::string("videotestsrc ! video/x-raw,format=GRAY8 ! appsink name=frames"),
        std::string("videotestsrc ! video/x-raw,width=64,height=48 ! identity error-after=3")}) {
    CapturedLog log;
    std::filesystem::remove(folder_ / "capture.json");
    start(uri);
    ASSERT_TRUE(wait_for([&] { return !trouble().empty(); })) << uri;
    std::this_thread::sleep_for(std::chrono::milliseconds(400));  // about six more attempts
    // Waited for, since the last of them gives three frames after each failure and is well for that long.
    EXPECT_TRUE(wait_for([&] { return !told_message().empty(); })) << uri;
    stop();
    EXPECT_FALSE(health_->death()) << uri << ": " << health_->death()->why;
    EXPECT_FALSE(health_->is_finished(Owner::capture)) << uri;
    EXPECT_THAT(log.text(), testing::HasSubstr("opened again in")) << uri;
    // One kind of trouble is one line, and its count when it goes on.
    EXPECT_LE(log.lines(), 4u) << uri << '\n' << log.text();
  }
}

TEST_F(LiveCapture, ALongPauseIsAliveAndEndsWithAStop) {
  retry_.first = retry_.most = std::chrono::minutes(10);
  start("images://" + (folder_ / "nowhere").string());
  ASSERT_TRUE(wait_for([&] { return !trouble().empty(); }));
  for (int look = 0; look < 2; ++look) {
    health_->progress(Owner::adapt);
    health_->progress(Owner::uplink);
    EXPECT_TRUE(wait_for([&] { return health_->all_moved(); })) << "the watchdog would end it";
  }
  const auto before = std::chrono::steady_clock::now();
  stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(1));
}

TEST_F(LiveCapture, AnAbsentCameraIsTroubleButNoEnd) {
  retry_.silent = std::chrono::milliseconds(300);
  camera_.restart_backoff_ms = camera_.restart_backoff_max_ms = 20;
  CapturedLog log;
  start("v4l2:///dev/video-that-is-not-there");
  ASSERT_TRUE(wait_for([&] { return !trouble().empty(); }));
  EXPECT_THAT(trouble(), testing::HasSubstr("video-that-is-not-there"));
  std::this_thread::sleep_for(std::chrono::milliseconds(1000));  // fifty failures
  stop();
  EXPECT_FALSE(health_->death());
  EXPECT_LE(log.lines(), 4u) << log.text();
}

TEST_F(LiveCapture, ACameraThatNeedsANewProcessEndsThisOne) {
  camera_.restart_backoff_ms = camera_.restart_backoff_max_ms = 5;
  camera_.give_up_after = 3;
  capture("v4l2:///dev/video-that-is-not-there");
  ASSERT_TRUE(health_->death());
  EXPECT_THAT(health_->death()->why, testing::HasSubstr("3 failures in a row"));
}

TEST_F(LiveCapture, AFailedStoreIsSaidOnceAndIsNoDeath) {
  CapturedLog log;
  capture::GateOptions open;
  open.min_difference = open.min_sharpness = 0;
  gate_.set(open);
  start("videotestsrc is-live=true ! video/x-raw,width=64,height=48,framerate=50/1");
  ASSERT_TRUE(wait_for([&] { return store_->size() > 0; }));
  std::filesystem::rename(folder_ / "frames" / "frames", folder_ / "gone");
  ASSERT_TRUE(wait_for([&] { return !trouble().empty(); }));
  EXPECT_THAT(trouble(), testing::HasSubstr("frame store"));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  thread_.request_stop();
  thread_.join();
  EXPECT_FALSE(health_->death());
  const std::string text = log.text(), line = "capture: frame store";
  EXPECT_NE(text.find(line), std::string::npos) << text;
  EXPECT_EQ(text.find(line), text.rfind(line)) << text;
}

TEST_F(LiveCapture, APasswordStandsNowhere) {
  for (const std::string& uri :
       {std::string("rtsp://admin:hunter2secret@127.0.0.1:9/s"),
        std::string("rtspsrc location=rtsp://127.0.0.1:9/s user-id=admin user-pw=hunter2secret ! decodebin"),
        std::string("nosuchelement location=rtsp://admin:hunter2secret@127.0.0.1:9/s ! decodebin")}) {
    CapturedLog log;
    retry_.silent = std::chrono::milliseconds(100);
    camera_.restart_backoff_ms = 20;
    start(uri);
    ASSERT_TRUE(wait_for([&] { return !trouble().empty(); }));
    const std::string told = trouble();
    stop();
    status_->write({}, LiveStatus::Ending::stopped);
    EXPECT_GT(log.lines(), 0u);
    for (const std::string& text : {told, log.text(), config::read_file(folder_ / "status.json"),
                                    config::read_file(folder_ / "capture.json")})
      EXPECT_THAT(text, testing::Not(testing::HasSubstr("hunter2secret")));
  }
}

TEST(LogLimit, OneKindOfLineOnceInAPeriodWithItsCount) {
  using std::chrono::seconds;
  const LogLimit::Clock::time_point start{};
  LogLimit limit(seconds(10));
  EXPECT_EQ(limit.pass("camera failed in 200 ms", start), "camera failed in 200 ms");
  EXPECT_EQ(limit.pass("camera failed in 4000 ms", start + seconds(1)), std::nullopt);
  EXPECT_EQ(limit.pass("another thing", start + seconds(1)), "another thing");
  EXPECT_EQ(limit.pass("camera failed in 800 ms", start + seconds(9)), std::nullopt);
  EXPECT_EQ(limit.pass("camera failed in 5 ms", start + seconds(10)),
            "camera failed in 5 ms (2 more like it)");
  EXPECT_EQ(limit.pass("camera failed in 6 ms", start + seconds(11)), std::nullopt);
  EXPECT_EQ(limit.pass("camera failed in 7 ms", start + seconds(12)), std::nullopt);
  EXPECT_THAT(limit.due(start + seconds(29)), testing::IsEmpty()) << "the second period is twice the first";
  EXPECT_THAT(limit.due(start + seconds(30)), testing::ElementsAre("camera failed in 7 ms (1 more like it)"));
  EXPECT_THAT(limit.due(start + seconds(40)), testing::IsEmpty());
  EXPECT_THAT(limit.due(start + seconds(110)), testing::IsEmpty());
  EXPECT_NE(limit.pass("camera failed in 8 ms", start + seconds(111)), std::nullopt);
  EXPECT_EQ(limit.pass("camera failed in 9 ms", start + seconds(120)), std::nullopt);
  EXPECT_THAT(limit.due(start + seconds(121)), testing::SizeIs(1)) << "after a quiet while it begins anew";
}

TEST(LogLimit, ADayOfFlappingIsAHundredAndSixtyLines) {
  LogLimit limit;
  int lines = 0;
  for (int i = 0; i < 5 * 24 * 3600; ++i) {
    const auto now = LogLimit::Clock::time_point{} + std::chrono::milliseconds(200 * i);
    lines += limit.pass("camera failed " + std::to_string(i), now).has_value();
    lines += static_cast<int>(limit.due(now).size());
  }
  EXPECT_LE(lines, 160);
  EXPECT_GE(lines, 100);
  for (int i = 0; i < 1000; ++i)
    limit.pass(std::string(static_cast<std::size_t>(i), 'x'), {});  // bounded kinds
}

cv::Mat noise_rgb(int seed) {
  cv::Mat image(240, 320, CV_8UC3);
  cv::RNG(static_cast<std::uint64_t>(seed)).fill(image, cv::RNG::UNIFORM, 0, 255);
  return image;
}

TEST_F(LiveCapture, AStoreThatWasFullIsNotSaidToBeFullForEver) {
  auto options = store_options();
  options.quota_bytes = 1'500'000;
  capture::FrameStore store(options);
  std::vector<std::string> kept;
  for (int i = 0; i < 100; ++i) {
    capture::Frame frame;
    frame.name = "old_" + std::to_string(i);
    frame.image_rgb = noise_rgb(i);
    const auto put = store.put(frame);
    if (put.status == capture::PutStatus::full) break;
    store.mark_unsent(put.id);  // never evicted
    kept.push_back(put.id);
  }
  ASSERT_LT(kept.size(), 100u) << "the store did not fill";
  std::filesystem::create_directories(folder_ / "drive");
  cv::imwrite((folder_ / "drive" / "new.png").string(), noise_rgb(1000));
  LiveStatus status(folder_ / "status.json");
  auto look = std::chrono::steady_clock::now();
  const auto message = [&] {
    look += std::chrono::hours(1);  // it writes once a second at most
    status.write(look);
    return nlohmann::json::parse(config::read_file(folder_ / "status.json"))["camera"]["message"]
        .get<std::string>();
  };
  health_.emplace();
  News news;
  capture::SourceOptions camera;
  camera.uri = "images://" + (folder_ / "drive").string();
  const CaptureParts parts{camera, folder_ / "capture.json", gate_, store, status, *health_, news};
  auto thread =
      start_owner(Owner::capture, *health_, [&](std::stop_token stop) { run_capture(parts, stop); });
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (message().empty() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  EXPECT_THAT(message(), testing::HasSubstr("quota"));
  for (const auto& id : kept) store.mark_sent(id);
  thread.join();
  EXPECT_EQ(message(), "");
}

TEST_F(LiveCapture, GateKeepsCopiesOut) {
  write_drive(folder_ / "drive", 1);
  std::filesystem::copy_file(folder_ / "drive" / "drive_000000.png", folder_ / "drive" / "drive_000001.png");
  EXPECT_EQ(capture("images://" + (folder_ / "drive").string()).size(), 1u);
}

}  // namespace
}  // namespace driftloop::daemon
