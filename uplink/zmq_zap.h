// The station's door: a CURVE server without a ZAP handler lets everybody in. Answered from the owner's step,
// on the owner's thread. For the link's own sources.
#pragma once
#include <chrono>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>
#include <zmq.hpp>

namespace driftloop::uplink {

inline constexpr const char* kZapDomain = "driftloop";

/// Public keys of a folder: <vehicle id>.pub each. Read again when the folder changes, or once a second when
/// somebody asks: adding or removing a vehicle needs no restart.
class AllowList {
 public:
  /// Nobody is on the list before the first refresh(). Throws Error when it is not a folder.
  explicit AllowList(std::filesystem::path folder);
  /// Reads the folder anew when it is due. True when it was the first time, or when the list or its problems
  /// are others than before.
  bool refresh(std::chrono::steady_clock::time_point now);
  /// The vehicle whose key this is, or none.
  const std::string* vehicle_of(const std::string& public_z85) const;
  std::size_t size() const { return vehicles_.size(); }
  /// Files in the folder that hold no usable key, one line each.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  bool read();
  std::filesystem::path folder_;
  std::map<std::string, std::string> vehicles_;  // by public key
  std::vector<std::string> problems_;
  std::filesystem::file_time_type folder_time_{};
  std::optional<std::chrono::steady_clock::time_point> read_at_;
};

class ZapDoor {
 public:
  /// Must exist before the server socket is bound. Throws Error.
  explicit ZapDoor(zmq::context_t& context);
  zmq::socket_t& socket() { return requests_; }
  /// Answers every waiting request; returns the keys that were turned away.
  std::vector<std::string> answer(const AllowList& allowed);

 private:
  zmq::socket_t requests_;
};

}  // namespace driftloop::uplink
