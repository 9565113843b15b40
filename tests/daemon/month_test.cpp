// A month of a vehicle that asks people, in virtual time: nothing that it keeps or asks grows.
#include <gtest/gtest.h>

#include <unistd.h>
#include <cstdio>
#include <fstream>
#include <numeric>

#include "adapt/data/streetsim/streetsim.h"
#include "tests/daemon/live_world.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {
namespace fs = std::filesystem;

constexpr double kHour = 3600;
constexpr int kDays = 30, kFramesAnHour = 6, kStreetFrames = 400;
constexpr double kStart = 1'800'000'000;

struct Day {
  double asked, pending, memory_bytes, disk_bytes;
};

double resident_bytes() {
  std::ifstream in("/proc/self/statm");
  double all = 0, resident = 0;
  in >> all >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double bytes_below(const fs::path& folder) {
  double bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    std::error_code gone;
    if (entry.is_regular_file(gone)) bytes += static_cast<double>(entry.file_size(gone));
  }
  return bytes;
}

/// The mean of days [first, last), counted from 1.
double mean(const std::vector<Day>& days, double Day::*what, int first, int last) {
  double sum = 0;
  for (int day = first; day < last; ++day) sum += days.at(static_cast<std::size_t>(day - 1)).*what;
  return sum / (last - first);
}

class Month : public testing::Test {
 protected:
  /// The shipped defaults of asking, a net and frames that a test can afford: the 128 frames of 192 x 128
  /// that a round looks at hold 768 regions, where 400 of 1280 x 720 hold 88,000. So the store and the guard
  /// set are smaller, too.
  DaemonOptions options() {
    const DaemonOptions shipped;
    DaemonOptions o = tiny_options(folder_ / "vehicle");
    o.loop = shipped.loop;
    o.loop.weights = start_weights(folder_.path()).string();
    o.loop.rounds[0].steps = 4;
    o.loop.min_frames = 24;
    o.engine.acquisition = shipped.engine.acquisition;
    o.engine.acquisition.max_frames = 128;
    o.engine.guard.max_regions = 16;
    o.store.quota_bytes = 6'000'000;
    return o;
  }

  /// 30 days with a lab that leaves out one region in `unanswered` (0 = none), or no lab at all.
  std::vector<Day> live(int unanswered, bool lab_is_there) {
    std::mutex mutex;
    Now now{kStart, 0};
    int looks = 0;
    Vehicle vehicle(options(), Camera::running);
    vehicle.now = [&] {
      const std::lock_guard lock(mutex);
      ++looks;
      return now;
    };
    std::unique_ptr<Lab> lab;
    if (lab_is_there) {
      lab = std::make_unique<Lab>(vehicle, Answers::labels);
      lab->leave_out_one_in(unanswered);
    }
    const auto loop = vehicle.loop();
    std::jthread runner([&] { EXPECT_EQ(loop->run(), LiveLoop::End::stopped); });
    // A street of four kilometres, driven again and again.
    const adapt::Streetsim street({.width = 192, .height = 128, .look = "street", .seed = 7, .speed_m = 10});
    std::vector<cv::Mat> drive;
    for (int frame = 0; frame < kStreetFrames; ++frame) drive.push_back(street.frame(frame).image_rgb);
    std::vector<Day> days;
    std::int64_t asked_before = 0;
    News pause;
    for (int hour = 0; hour < kDays * 24; ++hour) {
      for (int i = 0; i < kFramesAnHour; ++i) {
        const int frame = hour * kFramesAnHour + i;
        capture::Frame picture;
        picture.name = "month_" + std::to_string(frame);
        picture.image_rgb = drive[static_cast<std::size_t>(frame % kStreetFrames)];
        EXPECT_EQ(vehicle.store.put(picture).status, capture::PutStatus::stored);
      }
      {
        const std::lock_guard lock(mutex);
        now.wall_s += kHour;
        now.steady_s += kHour;
        looks = 0;
      }
      // Until the loop has nothing left to do in this hour: it waits, and has looked at the clock again.
      for (bool idle = false; !idle && !vehicle.health.death();) {
        vehicle.news.tell();
        pause.wait({}, std::chrono::milliseconds(2));
        const std::string line = vehicle.status.line();
        // Before there are frames enough it does not look at the clock yet.
        const bool waits = line.starts_with("waiting"), captures = line.starts_with("capturing");
        const std::lock_guard lock(mutex);
        idle = captures || (waits && looks >= 3);
        if (!waits) looks = 0;
      }
      if (hour % 24 != 23) continue;
      const auto asked = loop->engine().labels().asked_regions;  // the loop rests: see above
      days.push_back({static_cast<double>(asked - asked_before), static_cast<double>(loop->unanswered()),
                      resident_bytes(), bytes_below(vehicle.state.path())});
      asked_before = asked;
    }
    vehicle.stop.request_stop();
    runner.join();
    for (std::size_t day = 0; day < days.size(); day += 5)
      std::printf("day %2zu: asked %4.0f, unanswered %4.0f, memory %6.1f MB, disk %6.2f MB\n", day + 1,
                  days[day].asked, days[day].pending, days[day].memory_bytes / 1e6,
                  days[day].disk_bytes / 1e6);
    return days;
  }

  /// The last week against the one before it.
  void expect_flat(const std::vector<Day>& days, double Day::*what, const char* name) {
    const double before = mean(days, what, 16, 23), last = mean(days, what, 23, 30);
    EXPECT_NEAR(last, before, 0.05 * std::max(before, 1.0)) << name;
  }
  void expect_all_flat(const std::vector<Day>& days) {
    expect_flat(days, &Day::asked, "asked a day");
    expect_flat(days, &Day::pending, "unanswered regions");
    expect_flat(days, &Day::memory_bytes, "memory");
    expect_flat(days, &Day::disk_bytes, "disk");
  }

  test::TempFolder folder_;
};

TEST_F(Month, ALabThatAnswersNearlyAll) {
  const auto days = live(20, true);
  expect_all_flat(days);
  for (const auto& day : days) EXPECT_LE(day.asked, 200) << "more than a day's regions";
  EXPECT_GE(mean(days, &Day::asked, 2, 30), 170) << "people's time is there and is not used";
}

TEST_F(Month, NoLabAtAll) {
  const auto days = live(0, false);
  for (const auto& day : days) EXPECT_LE(day.pending, DaemonOptions().loop.max_pending);
  expect_flat(days, &Day::pending, "unanswered regions");
  expect_flat(days, &Day::memory_bytes, "memory");
  expect_flat(days, &Day::disk_bytes, "disk");
}

}  // namespace
}  // namespace driftloop::daemon
