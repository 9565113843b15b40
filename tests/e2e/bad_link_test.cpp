// What goes wrong between vehicle and lab while both run: it is said where a person looks, and nothing is
// lost.
#include <SQLiteCpp/SQLiteCpp.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>

#include "config/durable_file.h"
#include "tests/e2e/loop_world.h"
#include "tests/e2e/on_a_drive.h"

namespace driftloop::e2e {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

class BadLink : public OnADrive {
 protected:
  BadLink() : drive_(folder_ / "drive") { fs::copy(drive(), drive_, fs::copy_options::recursive); }
  fs::path image(int frame) const { return drive_ / "images" / name(frame, ".jpg"); }
  fs::path label(int frame) const { return drive_ / "labels" / name(frame, ".png"); }
  static int count(const fs::path& database, const std::string& what) {
    SQLite::Database opened(database.string(), SQLite::OPEN_READONLY, /*busy_timeout_ms=*/1000);
    return opened.execAndGet("SELECT COUNT(*) FROM " + what).getInt();
  }

  test::TempFolder folder_;
  fs::path drive_;

 private:
  static std::string name(int frame, const char* ending) {
    const std::string number = std::to_string(frame);
    return "frame_" + std::string(6 - number.size(), '0') + number + ending;
  }
};

/// What the vehicle says about its link, once it says something.
std::string link_message(const LoopWorld& world) {
  std::string message;
  EXPECT_TRUE(eventually([&] {
    const auto status = world.status();
    if (!status.contains("link") || status.value("pending_regions", 0) < kAskedPerRound) return false;
    message = status["link"].value("message", "");
    EXPECT_FALSE(status["link"].value("connected", true)) << status;
    return !message.empty();
  })) << world.logs();
  return message;
}

TEST_F(BadLink, WrongKeysAreSaidAndNothingIsLost) {
  LoopWorld world(drive_);
  const Outcome made =
      run({kStation, "keygen", "--out", (world.folder / "other").string(), "--name", "other"},
          world.folder / "keygen");
  ASSERT_EQ(made.status, 0) << made.all();
  fs::remove(world.folder / "allow" / "car7.pub");
  fs::copy_file(world.folder / "other" / "other.pub", world.folder / "allow" / "other.pub");
  world.start_station();
  const std::vector<std::string> one_round = {"loop.rounds[0].times=1", "loop.warmup_steps=2"};

  auto wrong = one_round;
  wrong.push_back("link.station_public_key=" + (world.folder / "other" / "other.pub").string());
  world.start_vehicle(wrong);
  EXPECT_THAT(link_message(world), HasSubstr("key"));
  world.vehicle->terminate();
  EXPECT_EQ(world.vehicle->wait(std::chrono::seconds(5)), 0) << world.logs();

  world.start_vehicle(one_round);
  EXPECT_THAT(link_message(world), HasSubstr("key")) << "not on the allow-list";
  EXPECT_EQ(count(world.station_state / "ledger.sqlite", "regions"), 0);
  EXPECT_EQ(count(world.vehicle_state / "outbox.db", "payloads"), kAskedPerRound)
      << "regions were dropped before a receipt";

  fs::copy_file(world.folder / "keys" / "car7.pub",
                world.folder / "allow" / "car7.pub");  // read again while it runs
  ASSERT_EQ(world.wait_for_vehicle(), 0) << world.logs();
  EXPECT_EQ(count(world.station_state / "ledger.sqlite", "regions"), kAskedPerRound);
  EXPECT_EQ(world.rounds().at(0).at("regions"), kAskedPerRound);
}

TEST_F(BadLink, DamagedFramesAreSkippedAndDamagedLabelsRefusedEachCounted) {
  std::ofstream(image(3), std::ios::trunc) << "no picture at all";
  std::ofstream(label(5), std::ios::trunc) << "no label at all";
  fs::resize_file(label(6), 100);
  cv::imwrite(label(7).string(), cv::Mat(30, 40, CV_8UC1, cv::Scalar(1)));
  cv::imwrite(label(8).string(), cv::Mat(64, 96, CV_8UC1, cv::Scalar(77)));
  fs::remove(label(9));
  LoopWorld world(drive_);
  world.start_station();
  world.start_vehicle({"loop.rounds[0].times=1", "loop.warmup_steps=2"});
  ASSERT_EQ(world.wait_for_vehicle(), 0) << world.logs();
  const auto camera = world.status().at("camera");
  EXPECT_EQ(camera.at("skipped"), 1) << camera;
  EXPECT_EQ(camera.at("stored"), kFrames - 1) << camera;
  EXPECT_THAT(world.logs(), HasSubstr(image(3).string()));

  const Outcome status =
      run({kStation, "status", "--state", world.station_state.string(), "--json"}, world.folder / "run");
  ASSERT_EQ(status.status, 0) << status.all();
  const auto books = nlohmann::json::parse(status.out);
  int refused = 0;
  for (int frame = 5; frame <= 9; ++frame) {
    const std::string stem = image(frame).stem();
    const int asked = count(world.vehicle_state / "outbox.db", "outbox WHERE frame_name='" + stem + "'");
    refused += asked;
    if (asked > 0) {
      EXPECT_THAT(books.at("refusals").dump(), HasSubstr(stem));
    }
  }
  EXPECT_GT(refused, 0) << "no region of a damaged label was asked for: choose other frames";
  EXPECT_EQ(books.at("refused"), refused) << status.out;
  EXPECT_EQ(books.at("labelled"), kAskedPerRound - refused) << status.out;
  EXPECT_EQ(books.at("unacknowledged"), 0) << status.out;
  EXPECT_EQ(world.rounds().at(0).at("regions"), kAskedPerRound - refused);
}

TEST_F(BadLink, BusyPortOfTheStation) {
  LoopWorld world(drive_);
  world.start_station();
  const Outcome second =
      run({kStation, "run", "--state", (folder_ / "second").string(), "--bind", world.endpoint, "--key",
           (world.folder / "keys" / "station.key").string(), "--allow", (world.folder / "allow").string(),
           "--oracle", (drive_ / "labels").string(), "--oracle-ids", "trainids"},
          folder_ / "run");
  EXPECT_EQ(second.status, 1) << second.all();
  EXPECT_THAT(second.err, HasSubstr("cannot listen on '" + world.endpoint));
  EXPECT_EQ(lines_of(second.err).size(), 1u) << second.err;
}

TEST_F(BadLink, FullDiskOfTheVehicleWaitsForRoomAndGoesOn) {
  LoopWorld world(drive_);
  fs::create_directories(world.vehicle_state);
  if (::mount("driftloop-test", world.vehicle_state.c_str(), "tmpfs", 0, "size=128m") != 0)
    GTEST_SKIP() << "mounting a tmpfs is not allowed here (needs root)";
  struct Unmount {
    fs::path at;
    ~Unmount() { ::umount2(at.c_str(), MNT_DETACH); }
  } unmount{world.vehicle_state};
  static_cast<void>(unmount);
  world.start_station();
  world.start_vehicle({"loop.rounds[0].times=2", "loop.warmup_steps=2"});
  ASSERT_TRUE(eventually([&] { return !world.rounds().empty(); })) << world.logs();
  const fs::path filler = world.vehicle_state / "filler";
  const int fd = ::open(filler.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  ASSERT_GE(fd, 0);
  // At once, not by writing: the next saved state must find no room. The vehicle may write between the look
  // and the claim, and then the claim is for too much: look again.
  constexpr off_t kLeave = 64 << 10;
  const auto fill = [&] {
    const off_t room = static_cast<off_t>(fs::space(world.vehicle_state).available);
    return room <= kLeave || ::posix_fallocate(fd, 0, room - kLeave) == 0;
  };
  ASSERT_TRUE(eventually(fill)) << world.logs();
  ::close(fd);
  const auto log = [&] { return config::read_file(world.folder / "vehicle.log"); };
  const bool said = eventually([&] {
    return log().find("disk") != std::string::npos || world.vehicle->wait(std::chrono::milliseconds(0));
  });
  EXPECT_TRUE(said && log().find("disk") != std::string::npos) << world.logs();
  const auto early_end = world.vehicle->wait(std::chrono::milliseconds(0));
  fs::remove(filler);
  if (early_end) {  // "stop and say so" is an answer too, for what cannot wait; the next start goes on
    EXPECT_EQ(*early_end, 1) << world.logs();
    world.start_vehicle({"loop.rounds[0].times=2", "loop.warmup_steps=2"});
  }
  ASSERT_EQ(world.wait_for_vehicle(), 0) << world.logs();
  ASSERT_EQ(world.rounds().size(), 2u) << world.logs();
  EXPECT_EQ(world.rounds().back().at("regions"), 2 * kAskedPerRound);
}

}  // namespace
}  // namespace driftloop::e2e
