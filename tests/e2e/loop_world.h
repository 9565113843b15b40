// A vehicle and a lab on one machine: a rendered drive, fresh keys, and both programs on loopback.
#pragma once
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/programs.h"
#include "tests/support/temp_folder.h"

namespace driftloop::e2e {

inline constexpr int kFrames = 24;
inline constexpr int kRounds = 3;
inline constexpr int kStepsPerRound = 6;
inline constexpr int kAskedPerRound = 64;  // regions of 4 x 4 pixels

/// `driftloop data drive`: images/ and labels/ of 96 x 64 pixels in `folder`.
void render_drive(const std::filesystem::path& folder, int frames = kFrames);

class LoopWorld {
 public:
  /// Makes keys and the vehicle's configuration; starts nothing. `drive` is shared and only read.
  explicit LoopWorld(const std::filesystem::path& drive);

  /// The first start takes a free port; later ones the same again. Waits until it listens.
  void start_station(const std::vector<std::string>& more = {});
  void start_vehicle(const std::vector<std::string>& sets = {});

  /// The vehicle's exit status once it ended by itself; -1 when it did not in time.
  int wait_for_vehicle();

  /// Labels in the vehicle's inbox, seen from outside while it runs.
  int labels_arrived() const;
  nlohmann::json status() const { return read_json(status_file); }
  std::vector<nlohmann::json> rounds() const { return read_json_lines(vehicle_state / "rounds.jsonl"); }
  /// Both logs, for the message of a failed expectation.
  std::string logs() const;

  test::TempFolder folder;
  std::filesystem::path drive, vehicle_state, station_state, config_file, status_file;
  std::string endpoint;
  std::unique_ptr<daemon::ChildProcess> station, vehicle;
};

}  // namespace driftloop::e2e
