// What a person reads of status.json: ages, life and death, permissions.
#include "daemon/commands/status_report.h"

#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "config/check.h"
#include "config/durable_file.h"
#include "daemon/live/live_status.h"
#include "daemon/live/state_folder.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {
namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

class Status : public testing::Test {
 protected:
  void SetUp() override { setenv("RUNTIME_DIRECTORY", (folder_ / "run").c_str(), 1); }
  void TearDown() override { unsetenv("RUNTIME_DIRECTORY"); }
  fs::path state() const { return folder_ / "state"; }
  std::string problem() const {
    try {
      read_status(state());
    } catch (const Error& error) {
      return error.what();
    }
    return "none";
  }
  test::TempFolder folder_;
};

/// A daemon's status that knows something of everything.
void fill(LiveStatus& status) {
  CaptureStatus camera;
  camera.source.frames = 120;
  camera.stored = 40;
  camera.frames_in_store = 40;
  camera.gate[1] = 80;
  status.capture(camera);
  LinkStatus link;
  link.report.state = uplink::LinkReport::State::up;
  link.report.totals.labels_stored = 3;
  link.report.totals.bytes_sent = 2'500'000;
  link.pending_regions = 14;
  status.link(link);
  LoopStatus loop;
  loop.phase = "judging";
  loop.round = 2;
  loop.step = 412;
  loop.labels = 40;
  status.loop(loop);
  loop.phase = "training";
  loop.round = 3;
  loop.last_verdict = "promoted";
  loop.live_score = 0.812;
  loop.candidate_score = 0.83;
  status.loop(loop);
}

TEST_F(Status, IsTextWithAges) {
  fs::create_directories(state());
  LiveStatus status(state() / "status.json");
  fill(status);
  status.trouble(Owner::capture, "no such camera");
  status.write(std::chrono::steady_clock::now());
  const json content = read_status(state()).content;
  Moment later = this_moment();
  later.boot_ns += 12'000'000'000;
  later.wall_ns -= 3'600'000'000'000;  // the wall clock stepped an hour back meanwhile: no age may show it
  StatusReport report = judge_status(content, later);
  EXPECT_NEAR(report.age_s, 12, 1.5);
  EXPECT_EQ(report.life, Life::running);
  const std::string text = status_text(report);
  EXPECT_THAT(text, testing::ContainsRegex("driftloopd is running \\(pid [0-9]+, for 1[2345] s"));
  EXPECT_THAT(text, testing::ContainsRegex("doing +training \\(for 1[2345] s\\), round 3, step 412"));
  EXPECT_THAT(text, testing::ContainsRegex("TROUBLE +capture: no such camera \\(for 1[2345] s"));
  EXPECT_THAT(text, testing::ContainsRegex("camera +120 frames read, the last 1[2345] s ago"));
  EXPECT_THAT(text, testing::ContainsRegex("store +40 frames kept.*80 "));
  EXPECT_THAT(text, testing::ContainsRegex("link +connected 1[2345] s ago; 2.5 MB sent"));
  EXPECT_THAT(text, testing::ContainsRegex("regions +14 waiting"));
  EXPECT_THAT(text, testing::ContainsRegex("labels +40 learnt from, the last came 1[2345] s ago"));
  EXPECT_THAT(text, testing::ContainsRegex("judged +promoted, 1[2345] s ago .*81.2 %, candidate 83.0 %"));
  EXPECT_THAT(text, testing::ContainsRegex("disk +.* free of "));
  later.boot_ns += 60'000'000'000;
  report = judge_status(content, later);
  EXPECT_EQ(report.life, Life::silent);
  EXPECT_THAT(status_text(report), HasSubstr("driftloopd hangs"));
}

TEST_F(Status, AfterSigkillNothingRuns) {
  fs::create_directories(state());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    LiveStatus status(state() / "status.json");
    fill(status);
    status.write(std::chrono::steady_clock::now());
    while (true) ::pause();
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (problem() != "none" && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(read_status(state()).life, Life::running);
  EXPECT_EQ(status_json(read_status(state()))["running"], true);
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  const StatusReport report = read_status(state());
  EXPECT_EQ(report.life, Life::killed);
  EXPECT_THAT(status_text(report),
              testing::AllOf(HasSubstr("is not running"), HasSubstr("killed or lost power")));
  EXPECT_THAT(status_text(report), Not(HasSubstr("connected "))) << status_text(report);
  EXPECT_EQ(status_json(report)["running"], false);
  EXPECT_EQ(status_json(report)["life"], "killed");
}

TEST_F(Status, AnotherProcessOfTheSameNumberIsNotTheDaemon) {
  fs::create_directories(state());
  LiveStatus status(state() / "status.json");
  status.write(std::chrono::steady_clock::now());
  json content = read_status(state()).content;
  content["pid_start_ticks"] = content["pid_start_ticks"].get<std::uint64_t>() - 1;
  EXPECT_EQ(judge_status(content, this_moment()).life, Life::killed);
}

TEST_F(Status, AfterARebootAgesGoByTheWallClock) {
  fs::create_directories(state());
  LiveStatus status(state() / "status.json");
  fill(status);
  status.write(std::chrono::steady_clock::now());
  json content = read_status(state()).content;
  content["written"]["boot_id"] = "another";
  content["pid_start_ticks"] = content["pid_start_ticks"].get<std::uint64_t>() + 1;
  content["written"]["wall_ns"] = this_moment().wall_ns - std::int64_t{7200} * 1'000'000'000;
  const StatusReport report = judge_status(content, this_moment());
  EXPECT_EQ(report.life, Life::killed);
  EXPECT_NEAR(report.age_s, 7200, 1);
  EXPECT_THAT(status_text(report), HasSubstr("2 h 0 min ago"));
}

TEST_F(Status, TheVeryProcessLivesWhateverBootItSees) {
  fs::create_directories(state());
  LiveStatus status(state() / "status.json");
  status.write(std::chrono::steady_clock::now());
  json content = read_status(state()).content;
  content["written"]["boot_id"] = "of the host, seen by a sandboxed service in a container";
  EXPECT_EQ(judge_status(content, this_moment()).life, Life::running);
}

TEST_F(Status, AServiceWritesInRunWithoutTheStateAndKeepsTheLastWord) {
  fs::create_directories(folder_ / "run");
  {
    const StateFolder held(state());
    EXPECT_EQ(held.status(), folder_ / "run" / "status.json");
    LiveStatus status(held.status(), held.path());
    fill(status);
    status.write(std::chrono::steady_clock::now());
    EXPECT_FALSE(fs::exists(state() / "status.json")) << "flash is written while it runs";
    struct stat info {};
    ASSERT_EQ(::stat((folder_ / "run" / "status.json").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0640u);
    EXPECT_EQ(read_status(state()).file, folder_ / "run" / "status.json");
    status.write(std::chrono::steady_clock::now(), LiveStatus::Ending::stopped);
  }
  fs::remove_all(folder_ / "run");  // as systemd does
  const StatusReport last = read_status(state());
  EXPECT_EQ(last.life, Life::stopped);
  EXPECT_THAT(status_text(last), HasSubstr("it was stopped at"));
  fs::create_directories(folder_ / "run");
  LiveStatus next(folder_ / "run" / "status.json", state());
  EXPECT_EQ(next.bytes_sent(), 2'500'000);
  next.write(std::chrono::steady_clock::now());
  const StatusReport again = read_status(state());
  EXPECT_EQ(again.life, Life::running) << "the newer of the two counts";
  EXPECT_GE(seconds_since(again, "last_label"), 0) << "what happened last is known over a restart";
  EXPECT_LT(seconds_since(again, "connected"), 0);
}

TEST_F(Status, TheServicesFileIsNotThatOfAnotherState) {
  fs::create_directories(folder_ / "run");
  LiveStatus service(folder_ / "run" / "status.json", folder_ / "other");
  service.write(std::chrono::steady_clock::now());
  EXPECT_THAT(problem(),
              testing::AllOf(HasSubstr("is --state right?"), HasSubstr((state() / "status.json").string())));
  EXPECT_EQ(read_status("").file, folder_ / "run" / "status.json");
}

TEST_F(Status, DamagedFileIsSaidToBe) {
  fs::create_directories(state());
  config::write_durably(state() / "status.json", "{\"pid\": ");
  EXPECT_THAT(problem(), HasSubstr("status.json is damaged"));
}

/// What a user who is not in the file's group is told; "skip" where this test is not root.
std::string problem_as_nobody(const fs::path& state) {
  constexpr uid_t kNobody = 65534;
  int ends[2];
  if (::geteuid() != 0 || ::pipe(ends) != 0) return "skip";
  const pid_t child = ::fork();
  if (child == 0) {
    std::string text = "none";
    if (::setgroups(0, nullptr) != 0 || ::setgid(kNobody) != 0 || ::setuid(kNobody) != 0) ::_exit(1);
    try {
      read_status(state);
    } catch (const std::exception& error) {
      text = error.what();
    }
    [[maybe_unused]] const auto written = ::write(ends[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  ::waitpid(child, nullptr, 0);
  char buffer[2048];
  const auto got = ::read(ends[0], buffer, sizeof buffer);
  ::close(ends[0]);
  return {buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

TEST_F(Status, APermissionProblemSaysWhichGroupToJoin) {
  const ::group* video = ::getgrnam("video");
  if (::geteuid() != 0 || video == nullptr) GTEST_SKIP() << "needs root and a group called video";
  fs::permissions(folder_.path(), fs::perms(0755));
  fs::create_directories(state());
  {
    LiveStatus status(state() / "status.json");
    status.write(std::chrono::steady_clock::now());
  }
  ASSERT_EQ(::chown((state() / "status.json").c_str(), 0, video->gr_gid), 0);
  EXPECT_THAT(problem_as_nobody(state()),
              testing::AllOf(HasSubstr("you may not read"), HasSubstr("usermod -aG video")));
  fs::permissions(state(), fs::perms(0700));
  EXPECT_THAT(problem_as_nobody(state()), testing::AllOf(HasSubstr("you may not read"), HasSubstr("sudo")));
}

}  // namespace
}  // namespace driftloop::daemon
