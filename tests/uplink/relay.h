// A TCP relay between a vehicle and its station whose connections a test can cut, as a lost radio link does.
#pragma once
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace driftloop::uplink::test {

class Relay {
 public:
  /// Listens on a port of its own and passes everything on to `endpoint` (tcp://127.0.0.1:port).
  explicit Relay(const std::string& endpoint)
      : target_(loopback(static_cast<std::uint16_t>(std::stoi(endpoint.substr(endpoint.rfind(':') + 1))))) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in here = loopback(0);
    socklen_t size = sizeof here;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&here), size) != 0 || ::listen(listener_, 8) != 0 ||
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&here), &size) != 0)
      throw std::runtime_error("the relay cannot listen");
    endpoint_ = "tcp://127.0.0.1:" + std::to_string(ntohs(here.sin_port));
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  ~Relay() {
    thread_ = {};
    close_all();
    ::close(listener_);
  }
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  const std::string& endpoint() const { return endpoint_; }
  /// Resets every connection within milliseconds; a new one is accepted as before.
  void cut() { cut_ = true; }

 private:
  struct Way {
    int from, to;
    std::string waiting;  // read and not yet written: nothing more is read before it is gone
    bool ended = false;
  };
  static constexpr int kLookMs = 5;  // how soon a cut and the end are seen

  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
  }
  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      if (cut_.exchange(false)) close_all();
      std::vector<pollfd> fds{{listener_, POLLIN, 0}};
      for (const Way& way : ways_)
        fds.push_back(way.waiting.empty() ? pollfd{way.from, POLLIN, 0} : pollfd{way.to, POLLOUT, 0});
      if (::poll(fds.data(), fds.size(), kLookMs) <= 0) continue;
      auto fd = fds.begin() + 1;
      for (Way& way : ways_)
        if ((fd++)->revents) move(way);
      if (std::any_of(ways_.begin(), ways_.end(), [](const Way& way) { return way.ended; })) close_all();
      if (fds[0].revents) accept();
    }
  }
  void accept() {
    const int vehicle = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    const int station = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ways_.push_back({vehicle, station, {}});
    ways_.push_back({station, vehicle, {}});
    if (::connect(station, reinterpret_cast<const sockaddr*>(&target_), sizeof target_) != 0) close_all();
  }
  static void move(Way& way) {
    char bytes[65536];
    if (way.waiting.empty()) {
      const auto got = ::recv(way.from, bytes, sizeof bytes, MSG_DONTWAIT);
      if (got <= 0) way.ended = true;
      if (got > 0) way.waiting.assign(bytes, static_cast<std::size_t>(got));
      return;
    }
    const auto sent = ::send(way.to, way.waiting.data(), way.waiting.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) way.ended = true;
    if (sent > 0) way.waiting.erase(0, static_cast<std::size_t>(sent));
  }
  void close_all() {
    const linger reset{1, 0};
    for (auto way = ways_.begin(); way != ways_.end(); std::advance(way, 2)) {
      for (const int fd : {way->from, way->to}) {
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        ::close(fd);
      }
    }
    ways_.clear();
  }

  sockaddr_in target_;
  int listener_ = -1;
  std::string endpoint_;
  std::list<Way> ways_;  // two a connection, one each way
  std::atomic<bool> cut_ = false;
  std::jthread thread_;
};

}  // namespace driftloop::uplink::test
