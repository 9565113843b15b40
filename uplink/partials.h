// The station's half-received regions. They outlive a connection, so that a vehicle resumes where it was, and
// they are bounded: one vehicle cannot use the memory of the others.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace driftloop::uplink {

class Partials {
 public:
  struct Limits {
    std::size_t vehicle_bytes = 8u << 20;  // held for one vehicle
    std::size_t total_bytes = 128u << 20;  // held for all of them
  };
  explicit Partials(Limits limits) : limits_(limits) {}

  struct Piece {
    std::uint64_t offset = 0;
    std::string_view data;
    std::size_t total_size = 0;  // of the whole region, as offered
  };
  struct Taken {
    std::size_t held = 0;              // bytes without a gap, after this piece
    bool gap = false;                  // the piece does not continue what is held: send again from `held`
    std::optional<std::string> whole;  // the last byte arrived: all of it, no longer held here
  };
  Taken take(const std::string& vehicle_id, const std::string& digest, const Piece& piece);

  std::size_t held(const std::string& vehicle_id, const std::string& digest) const;
  void drop(const std::string& vehicle_id, const std::string& digest);
  std::size_t total_bytes() const { return total_; }
  std::size_t vehicle_bytes(const std::string& vehicle_id) const;

 private:
  struct Partial {
    std::string bytes;
    std::uint64_t touched = 0;
  };
  using PerVehicle = std::map<std::string, Partial>;
  void make_room(const std::string& vehicle_id, const std::string& digest, std::size_t wanted);
  void drop_oldest_of(const std::string& vehicle_id, const std::string& except_digest);

  Limits limits_;
  std::map<std::string, PerVehicle> vehicles_;
  std::map<std::string, std::size_t> vehicle_totals_;
  std::size_t total_ = 0;
  std::uint64_t clock_ = 0;
};

}  // namespace driftloop::uplink
