#include "tests/e2e/loop_world.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <gtest/gtest.h>

#include <fstream>

#include "config/check.h"
#include "config/durable_file.h"

namespace driftloop::e2e {
namespace fs = std::filesystem;
namespace {

void run_or_throw(const std::vector<std::string>& command, const fs::path& scratch) {
  const Outcome outcome = run(command, scratch);
  if (outcome.status != 0) throw Error(command[0] + ": " + outcome.all());
}

// The smallest net there is; one thread, so that sums are made in one order.
constexpr const char* kVehicleSettings = R"(
seed: 5
gate: {min_sharpness: 0, min_difference: 0, min_brightness: 0, max_brightness: 255}
store: {quota_bytes: 50000000, ballast_bytes: 0}
engine:
  device: cpu
  threads: 1
  model: {width: 0.0625, output_stride: 16}
  input: {crop_width_px: 64, crop_height_px: 48}
  train: {optimiser: adamw, rate: 0.002, head_rate_factor: 1, batch_source: 2, batch_target: 1}
  selftrain: {batch: 1}
  guard: {share: 0.25, min_pixels: 64}
  acquisition: {region_px: 4}
loop:
  save_every_s: 0
  at_end: exit
  regions_per_day: none
  label_seconds_per_day: none
  label_share: 1
  label_wait_s: 3600
  keep_rounds: true
  replay: streetsim:game?frames=8&width=96&height=64
  warmup_steps: 6
)";

}  // namespace

void render_drive(const fs::path& folder, int frames) {
  run_or_throw({kDriftloop, "data", "drive", "--out", folder.string(), "--look", "street", "--frames",
                std::to_string(frames), "--stride", "8", "--seed", "3", "--width", "96", "--height", "64"},
               folder.string() + ".log");
}

LoopWorld::LoopWorld(const fs::path& shared_drive)
    : drive(shared_drive),
      vehicle_state(folder / "vehicle"),
      station_state(folder / "station"),
      config_file(folder / "driftloopd.yaml"),
      status_file(vehicle_state / "status.json") {
  run_or_throw({kStation, "keygen", "--out", (folder / "keys").string(), "--name", "station"},
               folder / "keygen");
  run_or_throw({kDriftloop, "keygen", "--out", (folder / "keys").string(), "--name", "car7"},
               folder / "keygen");
  fs::create_directories(folder / "allow");
  fs::copy_file(folder / "keys" / "car7.pub", folder / "allow" / "car7.pub");
  std::ofstream(config_file) << "vehicle_id: car7\nstate: " << vehicle_state.string()
                             << "\ncamera: {uri: \"images://" << (drive / "images").string()
                             << "\"}\nlink: {station_public_key: "
                             << (folder / "keys" / "station.pub").string()
                             << ", secret_key_file: " << (folder / "keys" / "car7.key").string() << "}"
                             << kVehicleSettings << "  rounds: [{times: " << kRounds
                             << ", steps: " << kStepsPerRound
                             << ", strategy: cover, budget: {regions: 64}}]\n  min_frames: " << kFrames
                             << '\n';
}

void LoopWorld::start_station(const std::vector<std::string>& more) {
  const fs::path file = folder / "endpoint";
  fs::remove(file);
  std::vector<std::string> command = {
      kStation,          "run",
      "--state",         station_state.string(),
      "--bind",          endpoint.empty() ? "tcp://127.0.0.1:*" : endpoint,
      "--key",           (folder / "keys" / "station.key").string(),
      "--allow",         (folder / "allow").string(),
      "--oracle",        (drive / "labels").string(),
      "--oracle-ids",    "trainids",
      "--endpoint-file", file.string(),
      "--set",           "label_window=1"};  // one label under way at a time: a kill finds them travelling
  command.insert(command.end(), more.begin(), more.end());
  station = std::make_unique<daemon::ChildProcess>(command, folder / "station.log");
  const bool listens =
      eventually([&] { return fs::exists(file) || station->wait(std::chrono::milliseconds(0)); }) &&
      fs::exists(file);
  if (!listens) throw Error("the station does not listen: " + logs());
  endpoint = lines_of(config::read_file(file)).at(0);
}

void LoopWorld::start_vehicle(const std::vector<std::string>& sets) {
  std::vector<std::string> command = {kDriftloopd, "--config", config_file.string(), "--set",
                                      "link.station_endpoint=" + endpoint};
  for (const auto& set : sets) command.insert(command.end(), {"--set", set});
  vehicle = std::make_unique<daemon::ChildProcess>(command, folder / "vehicle.log");
}

int LoopWorld::wait_for_vehicle() {
  return vehicle->wait(kPatience).value_or(-1);
}

int LoopWorld::labels_arrived() const {
  try {
    SQLite::Database outbox((vehicle_state / "outbox.db").string(), SQLite::OPEN_READONLY,
                            /*busy_timeout_ms=*/1000);
    return outbox.execAndGet("SELECT COUNT(*) FROM inbox").getInt();
  } catch (const SQLite::Exception&) {
    return 0;  // not made yet
  }
}

std::string LoopWorld::logs() const {
  std::string text;
  for (const char* name : {"station.log", "vehicle.log"})
    if (fs::exists(folder / name)) text += std::string(name) + ":\n" + config::read_file(folder / name);
  return text;
}

}  // namespace driftloop::e2e
