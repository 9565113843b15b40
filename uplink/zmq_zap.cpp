#include "uplink/zmq_zap.h"

#include <zmq.h>

#include <algorithm>
#include <array>

#include "config/check.h"
#include "uplink/keys.h"
#include "uplink/region.h"

namespace driftloop::uplink {
namespace fs = std::filesystem;
namespace {

constexpr auto kReadAgainAfter = std::chrono::seconds(1);
constexpr std::size_t kCurveKeyBytes = 32;
// Frames of a ZAP 1.0 request (RFC 27): version, request id, domain, address, routing id, mechanism, key.
enum ZapFrame : std::size_t {
  kVersion,
  kRequestId,
  kDomain,
  kAddress,
  kRoutingId,
  kMechanism,
  kKey,
  kFrames
};

std::vector<std::string> receive_all_frames(zmq::socket_t& socket) {
  std::vector<std::string> frames;
  zmq::message_t frame;
  auto flags = zmq::recv_flags::dontwait;
  while (socket.recv(frame, flags)) {
    frames.push_back(frame.to_string());
    if (!frame.more()) break;
    flags = zmq::recv_flags::none;
  }
  return frames;
}

std::string z85_of(const std::string& raw_key) {
  std::array<char, kKeyChars + 1> text{};
  zmq_z85_encode(text.data(), reinterpret_cast<const std::uint8_t*>(raw_key.data()), kCurveKeyBytes);
  return text.data();
}

}  // namespace

AllowList::AllowList(fs::path folder) : folder_(std::move(folder)) {
  std::error_code error;
  if (!fs::is_directory(folder_, error))
    throw Error("the allow-list " + folder_.string() +
                " is not a folder (put each vehicle's <id>.pub file into it)");
}

bool AllowList::refresh(std::chrono::steady_clock::time_point now) {
  std::error_code error;
  const auto folder_time = fs::last_write_time(folder_, error);
  if (read_at_ && !error && folder_time == folder_time_ && now - *read_at_ < kReadAgainAfter) return false;
  const bool first = !read_at_;
  read_at_ = now;
  return read() || first;
}

bool AllowList::read() {
  std::error_code error;
  folder_time_ = fs::last_write_time(folder_, error);
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder_, error))
    if (entry.path().extension() == ".pub") files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  std::map<std::string, std::string> vehicles;
  std::vector<std::string> problems;
  if (error) problems.push_back("cannot read the allow-list " + folder_.string() + ": " + error.message());
  for (const auto& file : files) {
    const std::string id = file.stem().string();
    try {
      if (!is_vehicle_id(id)) throw Error(file.string() + ": the file name is not a vehicle id");
      const auto [other, is_new] = vehicles.emplace(load_public_key_file(file), id);
      if (!is_new) throw Error(file.string() + " holds the same key as " + other->second + ".pub");
    } catch (const Error& bad_file) {
      problems.push_back(bad_file.what());
    }
  }
  const bool changed = vehicles != vehicles_ || problems != problems_;
  vehicles_ = std::move(vehicles);
  problems_ = std::move(problems);
  return changed;
}

const std::string* AllowList::vehicle_of(const std::string& public_z85) const {
  const auto found = vehicles_.find(public_z85);
  return found == vehicles_.end() ? nullptr : &found->second;
}

ZapDoor::ZapDoor(zmq::context_t& context) : requests_(context, zmq::socket_type::rep) {
  requests_.set(zmq::sockopt::linger, 0);
  requests_.bind("inproc://zeromq.zap.01");
}

std::vector<std::string> ZapDoor::answer(const AllowList& allowed) {
  std::vector<std::string> turned_away;
  while (true) {
    const auto request = receive_all_frames(requests_);
    if (request.empty()) return turned_away;
    std::string key, status = "400";
    if (request.size() == kFrames && request[kDomain] == kZapDomain && request[kMechanism] == "CURVE" &&
        request[kKey].size() == kCurveKeyBytes) {
      key = z85_of(request[kKey]);
      if (allowed.vehicle_of(key)) status = "200";
    }
    if (status != "200") turned_away.push_back(key);
    const std::string id = request.size() > kRequestId ? request[kRequestId] : std::string();
    const std::array<std::string, 6> reply = {
        "1.0", id, status, status == "200" ? "OK" : "not in the allow-list", key, ""};
    for (std::size_t i = 0; i < reply.size(); ++i)
      requests_.send(zmq::buffer(reply[i]),
                     i + 1 < reply.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }
}

}  // namespace driftloop::uplink
