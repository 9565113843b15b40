// The capture thread over a folder of pictures: what a restart repeats, skips and says.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/capture_thread.h"
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

class LiveCapture : public testing::Test {
 protected:
  capture::StoreOptions store_options() const {
    capture::StoreOptions o;
    o.folder = folder_ / "frames";
    o.quota_bytes = 8'000'000;
    o.ballast_bytes = 0;
    return o;
  }

  /// One run of the thread; returns the names in the store afterwards.
  std::vector<std::string> capture(const std::string& uri) {
    capture::FrameStore store(store_options());
    LiveStatus status(folder_ / "status.json");
    health_.emplace();
    News news;
    capture::SourceOptions camera;
    camera.uri = uri;
    Latest<capture::GateOptions> gate(gate_);
    const CaptureParts parts{camera, folder_ / "capture.json", gate, store, status, *health_, news};
    start_owner(Owner::capture, *health_, [&](std::stop_token stop) { run_capture(parts, stop); }).join();
    std::vector<std::string> names;
    for (const auto& frame : store.list()) names.push_back(frame.name);
    return names;
  }

  test::TempFolder folder_;
  capture::GateOptions gate_;
  std::optional<Health> health_;
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

TEST_F(LiveCapture, MissingFolderIsADeathWithAReason) {
  capture("images://" + (folder_ / "nowhere").string());
  ASSERT_TRUE(health_->death());
  EXPECT_THAT(health_->death()->why, testing::HasSubstr("nowhere"));
  EXPECT_FALSE(health_->all_ready());
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
  Latest<capture::GateOptions> gate(gate_);
  const CaptureParts parts{camera, folder_ / "capture.json", gate, store, status, *health_, news};
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
