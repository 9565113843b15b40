// `driftloop doctor` and `driftloop status` on machines that are really broken: each finding by its cause,
// with its cure.
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <fstream>

#include "config/durable_file.h"
#include "tests/e2e/loop_world.h"
#include "tests/e2e/programs.h"

namespace driftloop::e2e {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

/// A port of this machine that accepts connections and says nothing.
class DumbListener {
 public:
  DumbListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd_, 4), 0);
    EXPECT_EQ(::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~DumbListener() { ::close(fd_); }
  DumbListener(const DumbListener&) = delete;
  DumbListener& operator=(const DumbListener&) = delete;
  std::string endpoint() const { return "tcp://127.0.0.1:" + std::to_string(port_); }

 private:
  int fd_, port_ = 0;
};

class Doctor : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    drive_ = new test::TempFolder;
    render_drive(*drive_ / "drive", 3);
  }
  static void TearDownTestSuite() {
    delete drive_;
    drive_ = nullptr;
  }
  void SetUp() override {
    world_.endpoint = "tcp://127.0.0.1:9";  // nobody
    sets_ = {"link.station_endpoint=" + world_.endpoint};
  }

  std::vector<std::string> command(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {kDriftloop, "doctor", "--config", world_.config_file.string(),
                                      "--json"};
    for (const auto& set : sets_) words.insert(words.end(), {"--set", set});
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  nlohmann::json findings(std::vector<std::string> words) {
    outcome_ = run(words, world_.folder / "run");
    auto found = nlohmann::json::parse(outcome_.out, nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(found.is_array()) << outcome_.all();
    EXPECT_THAT(outcome_.err, testing::Not(HasSubstr("internal error")));
    return found;
  }
  nlohmann::json findings() { return findings(command()); }
  /// "fail: text -> cure" of each finding about `what`.
  static std::string of(const nlohmann::json& found, const std::string& what) {
    std::string text;
    for (const auto& one : found)
      if (one.at("what") == what)
        text += one.at("level").get<std::string>() + ": " + one.at("text").get<std::string>() + " -> " +
                one.at("cure").get<std::string>() + '\n';
    return text;
  }
  /// The command as a user who has nothing; empty where that cannot be had.
  std::vector<std::string> as_nobody(std::vector<std::string> words) {
    std::vector<std::string> all = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
    const std::vector<std::string> version = {kDriftloop, "--version"};
    all.insert(all.end(), version.begin(), version.end());
    if (::geteuid() != 0 || run(all, world_.folder / "nobody").status != 0) return {};
    all.resize(4);
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }

  static inline test::TempFolder* drive_ = nullptr;
  LoopWorld world_{*drive_ / "drive"};
  std::vector<std::string> sets_;
  Outcome outcome_;
};

TEST_F(Doctor, AWellMachineWithItsStationHasNoFailure) {
  world_.endpoint.clear();
  world_.start_station();
  sets_ = {"link.station_endpoint=" + world_.endpoint};
  const auto found = findings();
  EXPECT_THAT(of(found, "link"), HasSubstr("ok: the station"));
  EXPECT_THAT(of(found, "camera"), HasSubstr("ok: a frame of 96x64 px"));
  EXPECT_THAT(of(found, "libtorch"), HasSubstr("ok: LibTorch "));
  EXPECT_THAT(of(found, "keys"), HasSubstr("ok: this vehicle's public key is "));
  EXPECT_THAT(of(found, "plugin"), HasSubstr("ok: "));
  EXPECT_THAT(of(found, "disk"), HasSubstr(" free in "));
  EXPECT_THAT(of(found, "clock"), HasSubstr("it shows 20"));
  EXPECT_NE(of(found, "gpu"), "");
  EXPECT_NE(of(found, "unit"), "");
  EXPECT_FALSE(fs::exists(world_.vehicle_state)) << "looking made something";

  fs::remove(world_.folder / "allow" / "car7.pub");
  EXPECT_TRUE(eventually([&] { return of(findings(), "link").find("fail: the station") == 0; }));
  EXPECT_THAT(of(findings(), "link"),
              testing::AllOf(HasSubstr("does not know this vehicle"), HasSubstr("car7.pub")));
  EXPECT_EQ(outcome_.status, 1);
}

TEST_F(Doctor, AClosedPortAndAStrangerAreToldApart) {
  EXPECT_THAT(of(findings(), "link"), testing::AllOf(HasSubstr("fail: nothing answers at tcp://127.0.0.1:9"),
                                                     HasSubstr("-> is the vehicle on")));
  EXPECT_EQ(outcome_.status, 1);
  const DumbListener stranger;
  sets_ = {"link.station_endpoint=" + stranger.endpoint()};
  EXPECT_THAT(of(findings(), "link"), HasSubstr("but not our station"));
}

TEST_F(Doctor, BadKeysAreNamedWithTheirCure) {
  fs::permissions(world_.folder / "keys" / "car7.key", fs::perms(0644));
  EXPECT_THAT(of(findings(), "link.secret_key_file"),
              testing::AllOf(HasSubstr("fail"), HasSubstr("chmod 600")));
  EXPECT_EQ(outcome_.status, 1);
  std::ofstream(world_.folder / "keys" / "station.pub") << "no key\n";
  EXPECT_THAT(of(findings(), "link.station_public_key"), HasSubstr("station.pub"));
}

TEST_F(Doctor, ABrokenCameraIsFoundByAskingItForAFrame) {
  fs::create_directories(world_.folder / "bad");
  std::ofstream(world_.folder / "bad" / "a.jpg") << "no picture";
  sets_.push_back("camera.uri=images://" + (world_.folder / "bad").string());
  sets_.push_back("camera.start_timeout_ms=1000");
  EXPECT_THAT(of(findings(), "camera"), HasSubstr("fail: no frame came"));
  sets_.push_back("camera.uri=images:///nowhere");
  const auto found = findings();
  EXPECT_THAT(of(found, "camera.uri"), HasSubstr("fail"));
  EXPECT_EQ(of(found, "camera"), "") << "said twice";
  sets_.push_back("camera.uri=nosuchelement ! fakesink");
  EXPECT_THAT(of(findings(), "camera.uri"), HasSubstr("nosuchelement"));
}

TEST_F(Doctor, SettingsThatCannotBeReadDoNotHideTheMachine) {
  std::ofstream(world_.config_file, std::ios::app) << "loop:\n";
  const auto found = findings();
  EXPECT_THAT(of(found, "settings"), HasSubstr("fail: " + world_.config_file.string()));
  EXPECT_NE(of(found, "disk"), "");
  EXPECT_NE(of(found, "libtorch"), "");
  EXPECT_EQ(outcome_.status, 1);
}

TEST_F(Doctor, AFullAndAReadOnlyDiskAreFound) {
  const fs::path disk = world_.folder / "disk";
  fs::create_directories(disk);
  if (::mount("driftloop-test", disk.c_str(), "tmpfs", 0, "size=1m") != 0)
    GTEST_SKIP() << "mounting a tmpfs is not allowed here (needs root)";
  sets_.push_back("state=" + (disk / "state").string());
  EXPECT_THAT(of(findings(), "disk"), HasSubstr("fail: only "));
  EXPECT_EQ(::mount(nullptr, disk.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr), 0);
  EXPECT_THAT(of(findings(), "disk"), HasSubstr("read-only"));
  ::umount2(disk.c_str(), MNT_DETACH);
}

TEST_F(Doctor, AUserWithoutRightsIsToldWhichOnesAreMissing) {
  const ::group* video = ::getgrnam("video");
  if (video == nullptr || as_nobody(command()).empty())
    GTEST_SKIP() << "needs root, setpriv and a group called video";
  fs::permissions(world_.folder.path(), fs::perms(0755));
  const fs::path camera = world_.folder / "video7";
  if (::mknod(camera.c_str(), S_IFCHR | 0660, makedev(81, 7)) != 0)
    GTEST_SKIP() << "no device can be made here";
  ASSERT_EQ(::chmod(camera.c_str(), 0660), 0);
  ASSERT_EQ(::chown(camera.c_str(), 0, video->gr_gid), 0);
  fs::create_directories(world_.vehicle_state);
  fs::permissions(world_.vehicle_state, fs::perms(0700));
  sets_.push_back("camera.uri=v4l2://" + camera.string());
  sets_.push_back("camera.start_timeout_ms=500");
  const auto found = findings(as_nobody(command()));
  EXPECT_THAT(of(found, "state"), HasSubstr("may not write into"));
  EXPECT_THAT(of(found, "link.secret_key_file"), HasSubstr("warn"));
  EXPECT_THAT(of(found, "link"), HasSubstr("no key to try it with"));
  if (::getpwnam("driftloop") == nullptr) {
    EXPECT_THAT(of(found, "permissions"),
                testing::AllOf(HasSubstr("may not open " + camera.string()), HasSubstr("-aG video")));
  }
}

TEST_F(Doctor, ForAPersonEachFindingIsALineAndItsCureAnother) {
  auto words = command();
  std::erase(words, "--json");
  const Outcome outcome = run(words, world_.folder / "run");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.out,
              testing::ContainsRegex("fail +link +nothing answers at tcp://127.0.0.1:9\n +-> is the"));
  sets_.push_back("engine.guard.enabled=false");
  words = command();
  std::erase(words, "--json");
  EXPECT_THAT(run(words, world_.folder / "run").out,
              HasSubstr("--set engine.guard.enabled=false: is false: every candidate"));
}

TEST_F(Doctor, TheRunningDaemonsWordCountsForCameraAndLink) {
  world_.start_vehicle({"loop.min_frames=1000000", "camera.at_end=loop", "camera.fps_limit=5"});
  ASSERT_TRUE(eventually([&] {
    const auto status = world_.status();
    return status.value("/camera/frames"_json_pointer, 0) > 0;
  })) << world_.logs();
  const auto found = findings();
  EXPECT_THAT(of(found, "camera"), HasSubstr("the daemon's last frame is"));
  EXPECT_THAT(of(found, "link"), HasSubstr("fail: the daemon is not connected"));

  const std::vector<std::string> status = {kDriftloop, "status", "--state", world_.vehicle_state.string()};
  Outcome outcome = run(status, world_.folder / "status");
  EXPECT_EQ(outcome.status, 0) << outcome.all();
  EXPECT_THAT(outcome.out, HasSubstr("driftloopd is running"));
  ASSERT_TRUE(kill_now(world_.vehicle));
  outcome = run(status, world_.folder / "status");
  EXPECT_EQ(outcome.status, 3) << outcome.all();
  EXPECT_THAT(outcome.out, HasSubstr("killed or lost power"));
  EXPECT_THAT(of(findings(), "daemon"), HasSubstr("warn: the last one was killed"));
}

}  // namespace
}  // namespace driftloop::e2e
