// What driftloop-station tells its service manager, over a real notify socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <cstring>

#include "tests/station/processes.h"
#include "tests/support/temp_folder.h"
#include "uplink/keys.h"

namespace driftloop::station::test {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;

/// The service manager's end of NOTIFY_SOCKET; set in this process's environment while it lives.
class NotifySocket {
 public:
  explicit NotifySocket(const fs::path& at) : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, at.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0) << at;
    ::setenv("NOTIFY_SOCKET", at.c_str(), 1);
    ::setenv("WATCHDOG_USEC", "400000", 1);
    ::unsetenv("WATCHDOG_PID");
  }
  ~NotifySocket() {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::close(fd_);
  }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  /// The next message that holds `text`; what came instead when none does within the patience of the test.
  std::string wait_for(const std::string& text) {
    std::string others;
    pollfd ready{fd_, POLLIN, 0};
    while (::poll(&ready, 1, kPatienceMs) > 0) {
      char bytes[4096];
      const auto got = ::recv(fd_, bytes, sizeof bytes, 0);
      const std::string message(bytes, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
      if (message.find(text) != std::string::npos) return message;
      others += message + '\n';
    }
    return others;
  }

 private:
  static constexpr int kPatienceMs = 20'000;
  int fd_;
};

TEST(ServiceTest, SystemdHearsOfReadinessLifeAndTheEnd) {
#ifndef DRIFTLOOP_SYSTEMD
  GTEST_SKIP() << "built without libsystemd";
#endif
  const driftloop::test::TempFolder folder;
  uplink::save_keys(uplink::generate_keys(), folder / "keys", "station");
  fs::create_directories(folder / "allow");
  fs::create_directories(folder / "truth");
  NotifySocket systemd(folder / "notify");
  Child station({DRIFTLOOP_STATION_PROGRAM, "run", "--state", (folder / "state").string(), "--bind",
                 "tcp://127.0.0.1:*", "--key", (folder / "keys" / "station.key").string(), "--allow",
                 (folder / "allow").string(), "--oracle", (folder / "truth").string()},
                folder / "station.log");
  EXPECT_THAT(systemd.wait_for("READY=1"), HasSubstr("STATUS=listening on tcp://127.0.0.1:"));
  for (int beat = 0; beat < 2; ++beat)
    EXPECT_THAT(systemd.wait_for("WATCHDOG=1"), HasSubstr("STATUS=0 vehicles"));
  ASSERT_FALSE(station.has_ended());
  EXPECT_EQ(station.stop(SIGTERM), 0);
  EXPECT_THAT(systemd.wait_for("STOPPING=1"), HasSubstr("STOPPING=1"));
}

}  // namespace
}  // namespace driftloop::station::test
