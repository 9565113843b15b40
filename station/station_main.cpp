// driftloop-station: the lab's program.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "config/check.h"
#include "config/command_line.h"
#include "config/durable_file.h"
#include "config/label_space.h"
#include "config/layers.h"
#include "station/service.h"
#include "station/station.h"
#include "uplink/keys.h"

namespace driftloop::station {
namespace {
namespace fs = std::filesystem;

constexpr const char* kHostFile = "/etc/driftloop/station.yaml";
constexpr auto kStep = std::chrono::milliseconds(200);  // how soon a stop signal is seen at the latest

volatile std::sig_atomic_t stop_wanted = 0;

struct RunArguments {
  StationOptions given;  // what the command line named; the rest is default
  std::string config_file;
  std::vector<std::string> sets;
  std::string endpoint_file;
};

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// defaults < host file < --set < the options of the command line
StationOptions effective_options(const CLI::App& run, const RunArguments& arguments) {
  if (!arguments.config_file.empty() && !fs::exists(arguments.config_file))
    throw Error("there is no configuration file " + arguments.config_file);
  const fs::path host_file = !arguments.config_file.empty() ? fs::path(arguments.config_file)
                             : fs::exists(kHostFile)        ? fs::path(kHostFile)
                                                            : fs::path();
  StationOptions options;
  config::Layers("", host_file, arguments.sets).apply(options);
  const StationOptions& given = arguments.given;
  const auto take = [&](const char* name, auto& to, const auto& from) {
    if (run.count(name) > 0) to = from;
  };
  take("--state", options.state, given.state);
  take("--bind", options.link.bind, given.link.bind);
  take("--key", options.link.secret_key_file, given.link.secret_key_file);
  take("--allow", options.link.allow_folder, given.link.allow_folder);
  take("--oracle", options.labels.folder, given.labels.folder);
  take("--oracle-ids", options.labels.ids, given.labels.ids);
  take("--label-space", options.labels.label_space, given.labels.label_space);
  take("--delay", options.labels.delay_s, given.labels.delay_s);
  if (options.link.secret_key_file.empty())
    throw Error("no key: give --key FILE (make one with: driftloop-station keygen --out DIR)");
  if (options.link.allow_folder.empty())
    throw Error("no allow-list: give --allow DIR, a folder with each vehicle's <id>.pub");
  return options;
}

void log_events(const uplink::StationReport& report) {
  using Kind = uplink::StationEvent::Kind;
  for (const auto& event : report.events) {
    const bool good = event.kind == Kind::connected || event.kind == Kind::allow_list;
    spdlog::log(good ? spdlog::level::info : spdlog::level::warn, "{}", event.text);
  }
}

std::string status_text(const uplink::StationReport& report, std::int64_t answered) {
  return std::to_string(report.vehicles) + " vehicles, " + std::to_string(report.totals.regions_stored) +
         " regions received, " + std::to_string(answered) + " answered, " +
         std::to_string(report.totals.labels_acknowledged) + " labels delivered since the start";
}

void run_station(const CLI::App& run, const RunArguments& arguments) {
  Station station(effective_options(run, arguments));
  if (const auto copy = station.ledger().damaged_copy(); !copy.empty())
    spdlog::warn("the ledger was damaged: what could be read was saved, the old file is {}", copy.string());
  spdlog::info("listening on {}, public key {}", station.endpoint(), station.public_key());
  if (!arguments.endpoint_file.empty())
    config::write_durably(arguments.endpoint_file, station.endpoint() + "\n");
  tell_ready("listening on " + station.endpoint());
  Heartbeat heartbeat;
  std::int64_t answered = 0;
  bool was_full = false;
  uplink::StationReport last;
  while (stop_wanted == 0) {
    StationStep step = station.step(kStep, wall_ns());
    answered += step.answered;
    log_events(step.link);
    if (step.disk_full != was_full && step.disk_full)
      spdlog::error("the disk is full: nothing new is accepted until there is space");
    was_full = step.disk_full;
    last = std::move(step.link);
    heartbeat.beat(std::chrono::steady_clock::now(), status_text(last, answered));
  }
  tell_stopping();
  spdlog::info("stopped: {}", status_text(last, answered));
}

void make_keys(const std::string& folder, const std::string& name) {
  const auto keys = uplink::generate_keys();
  const fs::path secret = uplink::save_keys(keys, folder, name);
  std::cout << "secret key: " << secret.string()
            << "\npublic key: " << fs::path(secret).replace_extension(".pub").string() << "\n            "
            << keys.public_z85 << '\n';
}

nlohmann::json to_json(const LedgerStats& stats) {
  nlohmann::json vehicles = nlohmann::json::object(), refusals = nlohmann::json::array();
  VehicleStats all;
  for (const auto& v : stats.vehicles) {
    vehicles[v.vehicle_id] = {{"regions", v.regions},  {"waiting", v.waiting},
                              {"damaged", v.damaged},  {"labelled", v.labelled},
                              {"refused", v.refused},  {"unacknowledged", v.unacknowledged},
                              {"orphaned", v.orphaned}};
    all.regions += v.regions;
    all.waiting += v.waiting;
    all.labelled += v.labelled;
    all.refused += v.refused;
    all.unacknowledged += v.unacknowledged;
  }
  for (const auto& r : stats.refusals) refusals.push_back({{"reason", r.reason}, {"count", r.count}});
  return {{"regions", all.regions},
          {"waiting", all.waiting},
          {"labelled", all.labelled},
          {"refused", all.refused},
          {"labels", all.labelled + all.refused},
          {"unacknowledged", all.unacknowledged},
          {"vehicles", vehicles},
          {"refusals", refusals}};
}

void show_status(const std::string& state, const std::string& format) {
  const fs::path file = ledger_file(state);
  if (!fs::exists(file)) throw Error("there is no ledger in " + state + " (expected " + file.string() + ")");
  const nlohmann::json status = to_json(Ledger::look_at(file).stats());
  if (format == "json") {
    std::cout << status.dump(2) << '\n';
    return;
  }
  std::cout << "regions " << status["regions"] << ", waiting " << status["waiting"] << ", labelled "
            << status["labelled"] << ", refused " << status["refused"] << ", not yet acknowledged "
            << status["unacknowledged"] << '\n';
  for (const auto& [id, v] : status["vehicles"].items())
    std::cout << "  " << id << ": regions " << v["regions"] << ", waiting " << v["waiting"] << ", labelled "
              << v["labelled"] << ", refused " << v["refused"] << ", not yet acknowledged "
              << v["unacknowledged"] << ", damaged " << v["damaged"] << ", orphaned " << v["orphaned"]
              << '\n';
  for (const auto& r : status["refusals"])
    std::cout << "  refused " << r["count"] << " times: " << r["reason"].get<std::string>() << '\n';
}

void add_run(CLI::App& app, RunArguments& a) {
  CLI::App& run = *app.add_subcommand("run", "receive regions, have them labelled, send the labels back");
  run.add_option("--state", a.given.state, "folder of the ledger");
  run.add_option("--bind", a.given.link.bind, "where to listen, tcp://address:port (port * = any free one)");
  run.add_option("--key", a.given.link.secret_key_file, "secret key of this station");
  run.add_option("--allow", a.given.link.allow_folder, "folder with the .pub file of each vehicle");
  run.add_option("--oracle", a.given.labels.folder, "folder of ground truth, <frame name>.png");
  run.add_option("--oracle-ids", a.given.labels.ids, "how its files number the classes")
      ->check(CLI::IsMember(config::id_table_names()));
  run.add_option("--label-space", a.given.labels.label_space, "fold the classes into this label space")
      ->check(CLI::IsMember(config::label_space_names()));
  run.add_option("--delay", a.given.labels.delay_s, "seconds before each answer");
  run.add_option("--config", a.config_file,
                 std::string("configuration file (default ") + kHostFile + " if there)");
  run.add_option("--set", a.sets, "section.key=value, may be repeated");
  run.add_option("--endpoint-file", a.endpoint_file,
                 "write the bound endpoint into this file once listening");
  run.final_callback([&run, &a] { run_station(run, a); });
}

int run_program(int argc, char** argv) {
  CLI::App app("driftloop-station: receives regions from vehicles, has them labelled, returns the labels");
  app.require_subcommand(1);
  RunArguments run_arguments;
  add_run(app, run_arguments);

  std::string folder, name = "station", state = StationOptions{}.state, format = "text";
  CLI::App& keygen = *app.add_subcommand(
      "keygen", "make a key pair: <name>.key stays here, <name>.pub goes to the vehicles");
  keygen.add_option("--out", folder, "folder for the two files")->required();
  keygen.add_option("--name", name, "file name of the pair");
  keygen.final_callback([&] { make_keys(folder, name); });
  CLI::App& status =
      *app.add_subcommand("status", "counts of regions and labels, also while the station runs");
  status.add_option("--state", state, "folder of the ledger");
  status.add_flag_callback(
      "--json", [&] { format = "json"; }, "as JSON");
  status.final_callback([&] { show_status(state, format); });
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string slip =
        error.get_exit_code() == 0 ? "" : config::unknown_word_of(app);  // 0: help was asked for
    if (!slip.empty()) throw Error(slip);
    return app.exit(error);
  }
  return 0;
}

}  // namespace
}  // namespace driftloop::station

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = [](int) { driftloop::station::stop_wanted = 1; };
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  spdlog::set_default_logger(spdlog::stderr_color_mt("station"));
  try {
    return driftloop::station::run_program(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "driftloop-station: " << error.what() << '\n';
    return 1;
  }
}
