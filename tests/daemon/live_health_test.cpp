#include <gtest/gtest.h>

#include "config/check.h"
#include "daemon/health.h"
#include "daemon/latest.h"

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
