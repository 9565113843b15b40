#include "daemon/demo/demo_processes.h"

#include <chrono>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "adapt/data/dataset.h"
#include "adapt/engine.h"
#include "capture/frame_store.h"
#include "config/check.h"
#include "config/durable_file.h"
#include "config/layers.h"
#include "daemon/bench/arm_table.h"
#include "daemon/bench/offline_loop.h"
#include "daemon/bench/run_report.h"
#include "daemon/child_process.h"
#include "daemon/live/daemon_options.h"
#include "daemon/round_record.h"
#include "uplink/keys.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

constexpr std::chrono::seconds kStartPatience{20};
constexpr double kLabelPatienceS = 120;  // a station on the same machine answers in seconds

std::string wait_for_text(const fs::path& file, ChildProcess& writer) {
  const auto until = std::chrono::steady_clock::now() + kStartPatience;
  while (std::chrono::steady_clock::now() < until) {
    if (fs::exists(file)) return config::read_file(file);
    if (writer.wait(std::chrono::milliseconds(50))) break;
  }
  throw Error("the station did not come up: " + writer.last_words() + " (all of it in " +
              writer.log().string() + ')');
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text;
}

DaemonOptions daemon_options(const RunOptions& options, const LiveDemo& demo, const std::string& endpoint) {
  const fs::path live = demo.out / "live";
  DaemonOptions d;
  d.vehicle_id = "demo";
  d.state = fs::absolute(live / "vehicle").string();
  d.seed = static_cast<std::int64_t>(demo.seed);
  d.camera.uri = demo.camera_uri;
  d.gate.min_sharpness = d.gate.min_difference =
      0;  // the arms beside it train on every frame of the drive, so this one does too
  d.gate.min_brightness = 0;
  d.gate.max_brightness = 255;
  // JPEG would halve the colour of small frames, and the arms are judged on frames that it has not touched.
  d.store.format = "png";
  d.link.station_endpoint = endpoint;
  d.link.station_public_key = fs::absolute(live / "station" / "station.pub").string();
  d.link.secret_key_file = fs::absolute(live / "keys" / "demo.key").string();
  d.link.vehicle_id = d.vehicle_id;
  const RunOptions own = arm_options(options, own_arm(options));
  d.engine = own.engine;
  d.loop.rounds = own.rounds;
  d.loop.at_end = "exit";
  d.loop.regions_per_day = d.loop.label_seconds_per_day = std::nullopt;  // an oracle answers
  d.loop.max_pending = 1'000'000;
  d.loop.context_px = 8;  // its frames are a fifth as wide as a camera's
  d.loop.min_frames = demo.frames;
  d.loop.label_share = 1;
  d.loop.label_wait_s = kLabelPatienceS;
  d.loop.weights = fs::absolute(demo.out / kSourceWeights).string();
  d.loop.keep_rounds = true;
  d.loop.replay = options.source;
  return d;
}

std::vector<RoundRecord> read_records(const fs::path& file) {
  std::vector<RoundRecord> records;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) records.push_back(decode_record(line));
  return records;
}

}  // namespace

struct LiveRun::Impl {
  RunOptions options;
  LiveDemo demo;
  fs::path live, vehicle;
  std::unique_ptr<ChildProcess> station, daemon;

  void start_station() {
    config::make_folder(live / "station");
    config::make_folder(live / "allow");
    config::make_folder(live / "keys");
    if (!fs::exists(live / "station" / "station.key"))
      uplink::save_keys(uplink::generate_keys(), live / "station", "station");
    if (!fs::exists(live / "keys" / "demo.key"))
      uplink::save_keys(uplink::generate_keys(), live / "keys", "demo");
    fs::copy_file(live / "keys" / "demo.pub", live / "allow" / "demo.pub",
                  fs::copy_options::overwrite_existing);
    fs::remove(live / "endpoint");
    station = std::make_unique<ChildProcess>(
        std::vector<std::string>{(program_folder() / "driftloop-station").string(), "run", "--state",
                                 (live / "station" / "state").string(), "--bind", "tcp://127.0.0.1:*",
                                 "--key", (live / "station" / "station.key").string(), "--allow",
                                 (live / "allow").string(), "--oracle", demo.oracle.string(), "--oracle-ids",
                                 demo.oracle_ids, "--label-space", options.engine.label_space,
                                 "--endpoint-file", (live / "endpoint").string()},
        live / "station.log");
  }
};

LiveRun::LiveRun(const RunOptions& options, const LiveDemo& demo) : impl_(std::make_unique<Impl>()) {
  Impl& s = *impl_;
  s.options = options;
  s.demo = demo;
  s.live = demo.out / "live";
  s.vehicle = s.live / "vehicle";
  s.start_station();
  const std::string endpoint = trimmed(wait_for_text(s.live / "endpoint", *s.station));
  config::make_folder(s.vehicle);
  config::write_durably(s.live / "driftloopd.yaml",
                        config::to_yaml(daemon_options(options, demo, endpoint), config::Comments::help));
  s.daemon = std::make_unique<ChildProcess>(
      std::vector<std::string>{(program_folder() / "driftloopd").string(), "--config",
                               (s.live / "driftloopd.yaml").string()},
      s.live / "driftloopd.log");
}
LiveRun::~LiveRun() = default;

double LiveRun::share() const {
  const fs::path file = impl_->vehicle / "status.json";
  if (!fs::exists(file)) return 0;
  const double step = nlohmann::json::parse(config::read_file(file)).value("step", 0.0);
  return std::min(1.0, step / static_cast<double>(steps_of(impl_->options.rounds).value()));
}

bool LiveRun::finished() {
  Impl& s = *impl_;
  if (s.station->wait(std::chrono::milliseconds(0)))
    throw Error("the station ended: " + s.station->last_words());
  const auto status = s.daemon->wait(std::chrono::milliseconds(0));
  if (status && *status != 0)
    throw Error("driftloopd ended with status " + std::to_string(*status) + ": " + s.daemon->last_words() +
                " (all of it in " + s.daemon->log().string() + ')');
  return status.has_value();
}

Arm LiveRun::arm(std::stop_token stop, const std::function<void(int, int)>& scored) const {
  const Impl& s = *impl_;
  const std::shared_ptr<const adapt::Dataset> eval =
      adapt::open_dataset(s.options.eval, s.options.eval_split);
  const auto rounds = static_cast<int>(rounds_of(s.options.rounds).value());
  const auto score = [&](const fs::path& weights, Round& round) {
    fill_scores(adapt::Model::open(weights, adapt::runs_on(s.options.engine))
                    .evaluate(*eval, s.options.evaluation, stop),
                round);
    scored(round.round + 1, rounds + 1);
  };
  Arm arm = empty_arm(s.options, own_arm(s.options));
  Round start;
  score(s.demo.out / kSourceWeights, start);
  arm.rounds = {start};
  for (const auto& record : read_records(s.vehicle / "rounds.jsonl")) {
    Round round = report_round(record);
    const fs::path weights = s.vehicle / record.weights;
    score(weights, round);
    arm.weights = fs::relative(weights, s.demo.out).string();
    arm.rounds.push_back(round);
  }
  if (static_cast<int>(arm.rounds.size()) != rounds + 1)
    throw Error("driftloopd finished " + std::to_string(arm.rounds.size() - 1) + " rounds instead of " +
                std::to_string(rounds) + "; see " + s.daemon->log().string());
  return arm;
}

std::vector<adapt::Region> LiveRun::asked() const {
  const Impl& s = *impl_;
  capture::StoreOptions store_options;
  store_options.folder = s.vehicle / "frames";
  capture::FrameStore store(store_options);
  std::map<std::string, std::string> name_of;
  for (const auto& frame : store.list()) name_of[frame.id] = frame.name;
  auto asked = adapt::asked_in(s.vehicle / "model");
  if (!asked) throw Error("no state of the daemon in " + (s.vehicle / "model").string());
  for (auto& region : *asked) region.frame_id = name_of.at(region.frame_id);
  return *std::move(asked);
}

}  // namespace driftloop::daemon
