#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "config/check.h"
#include "daemon/live/health.h"
#include "daemon/live/latest.h"
#include "tests/support/temp_folder.h"

namespace driftloop::daemon {
namespace {

TEST(Health, MovedOnlyWhenEveryOwnerDid) {
  Health health;
  health.progress(Owner::capture);
  health.progress(Owner::adapt);
  EXPECT_FALSE(health.all_moved()) << "uplink hangs";
  health.progress(Owner::uplink);
  EXPECT_TRUE(health.all_moved());
  EXPECT_FALSE(health.all_moved()) << "nobody moved since";
  health.finished(Owner::capture);
  health.progress(Owner::adapt);
  health.progress(Owner::uplink);
  EXPECT_TRUE(health.all_moved()) << "nothing is expected of an owner that is through";
}

TEST(Health, ReadyWhenAllAre) {
  Health health;
  for (const auto owner : {Owner::capture, Owner::adapt}) health.ready(owner);
  EXPECT_FALSE(health.all_ready());
  health.ready(Owner::uplink);
  EXPECT_TRUE(health.all_ready());
}

TEST(Health, ADegradedOwnerIsReadyAndSaysWhy) {
  Health health;
  for (const auto owner : {Owner::adapt, Owner::uplink}) health.ready(owner);
  health.degraded(Owner::capture, "no such camera\nand a stack");
  EXPECT_TRUE(health.all_ready()) << "the service is up and says what it lacks";
  EXPECT_FALSE(health.death());
  EXPECT_EQ(health.trouble(Owner::capture), "no such camera");
  EXPECT_EQ(health.trouble(Owner::adapt), "");
  health.recovered(Owner::capture);
  EXPECT_EQ(health.trouble(Owner::capture), "");
}

TEST(Health, DeathOfAThreadHasItsCause) {
  Health health;
  start_owner(Owner::uplink, health, [](std::stop_token) { throw Error("the key is wrong"); }).join();
  start_owner(Owner::adapt, health, [](std::stop_token) { throw 5; }).join();
  ASSERT_TRUE(health.death());
  EXPECT_EQ(health.death()->owner, Owner::uplink) << "the first is the cause";
  EXPECT_EQ(health.death()->why, "the key is wrong");
}

TEST(Health, WhatIsNoExceptionTypeIsADeathToo) {
  Health health;
  start_owner(Owner::adapt, health, [](std::stop_token) { throw 5; }).join();
  ASSERT_TRUE(health.death());
}

TEST(Health, AThreadThatIsThroughCanBeJoined) {
  Health health;
  start_owner(Owner::uplink, health, [](std::stop_token) {}).join();
  EXPECT_TRUE(health.has_left(Owner::uplink));
  EXPECT_FALSE(health.all_left());
  for (const auto owner : {Owner::adapt, Owner::capture})
    start_owner(owner, health, [](std::stop_token) { throw Error("why"); }).join();
  EXPECT_TRUE(health.all_left());
}

#ifdef DRIFTLOOP_SYSTEMD
/// The other end of $NOTIFY_SOCKET.
class NotifySocket {
 public:
  explicit NotifySocket(const std::filesystem::path& path)
      : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~NotifySocket() {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(fd_);
  }
  bool fed() {
    bool watchdog = false;
    char text[4096];
    for (ssize_t got = 0; (got = ::recv(fd_, text, sizeof text, 0)) > 0;)
      watchdog |= std::string(text, static_cast<std::size_t>(got)).find("WATCHDOG=1") != std::string::npos;
    return watchdog;
  }

 private:
  int fd_;
};

TEST(Watchdog, IsFedFourTimesAPeriodAndNotForAFrozenOwner) {
  const test::TempFolder folder;
  NotifySocket socket(folder / "notify");
  ::setenv("WATCHDOG_USEC", "20000000", 1);
  ServiceManager manager;
  ::unsetenv("WATCHDOG_USEC");
  Health health;
  std::chrono::steady_clock::time_point now(std::chrono::hours(1));
  const auto move = [&](std::initializer_list<Owner> owners) {
    for (const auto owner : owners) health.progress(owner);
  };
  int fed = 0;
  for (int second = 0; second < 40; ++second, now += std::chrono::seconds(1)) {
    move({Owner::capture, Owner::adapt, Owner::uplink});
    manager.tick(now, health, "status");
    fed += socket.fed();
  }
  EXPECT_EQ(fed, 8) << "each 5 s of 40";
  for (int second = 0; second < 40; ++second, now += std::chrono::seconds(1)) {
    move({Owner::capture, Owner::uplink});  // the trainer is frozen
    manager.tick(now, health, "status");
    // What it did before it froze may feed once more; systemd then acts a period later: 25 s at the most.
    EXPECT_FALSE(socket.fed() && second > 5) << second;
  }
}
#endif

TEST(News, IsNotLostWhenToldBeforeTheWait) {
  News news;
  news.tell();
  news.wait({}, std::chrono::hours(1));  // returns at once, or the test's time limit strikes
  std::stop_source stop;
  stop.request_stop();
  news.wait(stop.get_token(), std::chrono::hours(1));
}

TEST(News, WakesASleeper) {
  News news;
  std::jthread sleeper([&] { news.wait({}, std::chrono::hours(1)); });
  news.tell();
}

TEST(Latest, NewestWinsAndRevisionsCount) {
  Latest<int> latest(1);
  const auto before = latest.revision();
  latest.set(2);
  latest.set(3);
  EXPECT_EQ(latest.get(), 3);
  EXPECT_EQ(latest.revision(), before + 2);
}

}  // namespace
}  // namespace driftloop::daemon
