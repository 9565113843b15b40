#include "config/redact.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace driftloop::config {
namespace {
using testing::HasSubstr;
using testing::Not;

TEST(Redact, UserAndPasswordOfAnAddressGo) {
  const std::pair<const char*, const char*> cases[] = {
      {"rtsp://admin:hunter2@10.0.0.7:554/s1", "rtsp://***@10.0.0.7:554/s1"},
      {"source rtsp://admin:hunter2@cam/s1: no frame", "source rtsp://***@cam/s1: no frame"},
      {"rtspsrc location=rtsp://admin:hunter2@cam/s1 ! decodebin",
       "rtspsrc location=rtsp://***@cam/s1 ! decodebin"},
      {"rtspsrc location=\"rtsp://admin:hunter2@cam/s1\" latency=1",
       "rtspsrc location=\"rtsp://***@cam/s1\" latency=1"},
      {"location=\"rtsp://u:two words@cam\" x", "location=\"rtsp://***@cam\" x"},
      {"rtsp:/admin:hunter2@cam/a", "rtsp:/***@cam/a"},
      {"admin:hunter2@cam: refused", "***@cam: refused"},
      {"rtsp://u:p@ss@cam/a", "rtsp://***@cam/a"},
      {"rtsp://u:pa/ss?@cam/a", "rtsp://***@cam/a"},
      {"rtsp://u:p%40x@cam:554/a?b=c&d=e", "rtsp://***@cam:554/a?b=c&d=e"},
      {"  uri: rtsp://u:pw@cam/a  # where frames come from",
       "  uri: rtsp://***@cam/a  # where frames come from"},
      {"a rtsp://u:pw@one and http://v:qx@two", "a rtsp://***@one and http://***@two"},
      {"could not open 'rtsp://u:pw@cam' now", "could not open 'rtsp://***@cam' now"}};
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(without_secrets(text), expected);
    EXPECT_EQ(without_secrets(without_secrets(text)), expected) << "not idempotent";
  }
}

TEST(Redact, ValuesOfSecretPropertiesGo) {
  const std::pair<const char*, const char*> cases[] = {
      {"rtspsrc location=rtsp://cam user-id=bob user-pw=hunter2 latency=5",
       "rtspsrc location=rtsp://cam user-id=*** user-pw=*** latency=5"},
      {"user-pw=\"two words\" ! x", "user-pw=\"***\" ! x"},
      {"user-pw=\"with \\\" quote\" ! x", "user-pw=\"***\" ! x"},
      {"user-pw=two\\ words ! x", "user-pw=*** ! x"},
      {"user-pw = hunter2 ! x", "user-pw = *** ! x"},
      {"user-pw=(string)hunter2 ! x", "user-pw=(string)*** ! x"},
      {R"(uri: "rtspsrc user-pw=\"two words\" ! x")", R"(uri: "rtspsrc user-pw=\"***\" ! x")"},
      {"PASSWORD=hunter2", "PASSWORD=***"},
      {"http://cam/s?user=bob&pwd=hunter2&channel=1", "http://cam/s?user=***&pwd=***&channel=1"},
      {"\"rtsp://cam/s?token=hunter2\" then", "\"rtsp://cam/s?token=***\" then"}};
  for (const auto& [text, expected] : cases) {
    EXPECT_EQ(without_secrets(text), expected);
    EXPECT_EQ(without_secrets(without_secrets(text)), expected) << "not idempotent";
  }
}

TEST(Redact, WhatIsNotSecretStays) {
  for (const char* text :
       {"images:///data/a@b/drive", "file:///video.mkv", "csi://0?width=1280", "test://ball?frames=100",
        "rtsp://192.168.1.20:554/stream1", "write to somebody@example.org", "link.secret_key_file: /etc/k",
        "tcp://127.0.0.1:5555", "", "://", "rtsp://", "=", "user-pw=", "a ! b name=frames",
        "csi://0, v4l2:///dev/video0, rtsp://..., file:///video.mkv"})
    EXPECT_EQ(without_secrets(text), text);
}

TEST(Redact, AMessageAboutASourceLosesItsSecretsWhereverTheyStand) {
  const std::string source =
      "rtspsrc location=rtsp://admin:hun%40ter2@cam/s user-pw=\"se\\\"same\" ! fakesink";
  for (const char* message : {"no element \"hun%40ter2\"", "401 for hun@ter2", "login admin:hun@ter2 refused",
                              "property se\"same is odd", "rtsp://admin:hun%40ter2@cam/s failed"}) {
    const std::string told = without_secrets(std::string(message), source);
    EXPECT_THAT(told, HasSubstr("***")) << message;
    EXPECT_THAT(told, Not(HasSubstr("ter2"))) << message;
    EXPECT_THAT(told, Not(HasSubstr("same"))) << message;
  }
  EXPECT_EQ(without_secrets(std::string("admin said so"), source), "admin said so");
  EXPECT_EQ(without_secrets(std::string("a b c"), "rtsp://a:b@c"), "a b c") << "one letter is no find";
}

}  // namespace
}  // namespace driftloop::config
