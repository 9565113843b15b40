#include "daemon/bench/run_ranks.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "adapt/model.h"
#include "config/check.h"

namespace driftloop::daemon {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

int number(const char* name, int least, int most) {
  const std::string text = variable(name);
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < least || value > most)
    throw Error(std::string("WORLD_SIZE is set, so several processes share this run, and ") + name +
                (text.empty() ? " is missing" : " is '" + text + "'") + ": it must be a number from " +
                std::to_string(least) + " to " + std::to_string(most) +
                "; torchrun sets it, or use --devices on one machine");
  return value;
}

}  // namespace

std::optional<adapt::Rendezvous> meeting_of_environment() {
  if (variable("WORLD_SIZE").empty()) return std::nullopt;
  adapt::Rendezvous meeting;
  meeting.count = number("WORLD_SIZE", 1, 4096);
  if (meeting.count == 1) return std::nullopt;
  meeting.rank = number("RANK", 0, meeting.count - 1);
  meeting.port = number("MASTER_PORT", 1, 65'535);
  meeting.address = variable("MASTER_ADDR");
  if (meeting.address.empty())
    throw Error(
        "WORLD_SIZE is set, so several processes share this run, and MASTER_ADDR is missing: the host of "
        "rank 0");
  return meeting;
}

int local_rank_of_environment() {
  return number(variable("LOCAL_RANK").empty() ? "RANK" : "LOCAL_RANK", 0, 4095);
}

std::string device_of(const RunOptions& options, int local_rank) {
  const std::string& device = options.engine.device;
  const int gpus = adapt::visible_gpus();
  if (device == "cpu" || (device == "auto" && gpus == 0)) return "cpu";
  if (local_rank >= gpus)
    throw Error("process " + std::to_string(local_rank) + " of this machine has no GPU: there are " +
                std::to_string(gpus) + "; ask for as many devices, or set engine.device=cpu");
  return "cuda:" + std::to_string(local_rank);
}

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const bool bound = socket >= 0 && ::bind(socket, reinterpret_cast<sockaddr*>(&address), size) == 0 &&
                     ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) == 0;
  const std::string cause = std::strerror(errno);
  if (socket >= 0) ::close(socket);
  if (!bound) throw Error("no free port on this machine for the processes to meet: " + cause);
  return ntohs(address.sin_port);
}

}  // namespace driftloop::daemon
