// `driftloop doctor`: what is wrong with this machine, and what to do about it.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "config/check.h"
#include "config/layers.h"
#include "daemon/commands/commands.h"
#include "daemon/doctor/doctor.h"
#include "daemon/live/options_check.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {

constexpr const char* kHostFile = "/etc/driftloop/driftloopd.yaml";
constexpr const char* kHostKey = "/etc/driftloop/keys/vehicle.key";  // what the unit hands to the service
constexpr const char* kHostState = "/var/lib/driftloop";

struct Arguments {
  std::string config_file, state;
  std::vector<std::string> sets;
  bool as_json = false;
};

/// What cannot be read of the settings is a finding; the machine is looked at all the same.
Patient patient_of(const Arguments& arguments) {
  Patient patient;
  const bool has_file = !arguments.config_file.empty();
  try {
    patient.options = read_options(arguments.config_file, arguments.sets);
    patient.has_settings = has_file || !arguments.sets.empty();
  } catch (const Error& error) {
    patient.settings.push_back(
        {Finding::Level::fail, "settings", error.what(), "correct it; the rest was not looked at"});
  }
  DaemonOptions& o = patient.options;
  if (!arguments.state.empty()) o.state = arguments.state;
  if (o.state.empty()) o.state = kHostState;
  o.store.folder = fs::path(o.state) / "frames";
  if (o.link.secret_key_file.empty() && o.state == kHostState) o.link.secret_key_file = kHostKey;
  if (patient.has_settings) patient.settings = find_problems(o);
  try {
    patient.status = read_status(o.state);
  } catch (const Error&) {
    // It never ran, or this user may not see it: then it is looked at as if it did not run.
  }
  return patient;
}

nlohmann::json to_json(const Finding& finding, const std::string& place) {
  return {{"level", level_name(finding.level)},
          {"what", finding.what},
          {"place", place},
          {"text", finding.text},
          {"cure", finding.cure}};
}

void print(const Finding& finding, const std::string& place) {
  std::printf("%-5s %-14s %s%s\n", level_name(finding.level), finding.what.c_str(),
              place.empty() ? "" : (place + ": ").c_str(), finding.text.c_str());
  if (!finding.cure.empty()) std::printf("%20s -> %s\n", "", finding.cure.c_str());
}

int run_doctor(Arguments arguments) {
  std::error_code error;
  if (arguments.config_file.empty() && fs::exists(kHostFile, error)) arguments.config_file = kHostFile;
  const Patient patient = patient_of(arguments);
  const Findings found = examine(patient);
  const auto place_of = [&](const Finding& finding) {
    const bool of_a_setting =
        std::any_of(patient.settings.begin(), patient.settings.end(),
                    [&](const Finding& one) { return one.what == finding.what && one.text == finding.text; });
    if (!patient.has_settings || !of_a_setting) return std::string();  // "camera" is a section, too
    DaemonOptions read;
    return config::Layers("", arguments.config_file, arguments.sets).apply(read).of(finding.what);
  };
  nlohmann::json all = nlohmann::json::array();
  for (const auto& finding : found) {
    if (arguments.as_json)
      all.push_back(to_json(finding, place_of(finding)));
    else
      print(finding, place_of(finding));
  }
  if (arguments.as_json) std::puts(all.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return any_fails(found) ? 1 : 0;
}

}  // namespace

Run add_doctor(CLI::App& app) {
  auto* command =
      app.add_subcommand("doctor", "is this machine fit to be a vehicle: each finding with its cure");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("--config", arguments->config_file,
                      std::string("the daemon's settings (default ") + kHostFile + ", if there)");
  command->add_option("--state", arguments->state, "its state folder, in place of the settings'");
  command->add_option("--set", arguments->sets, "section.key=value over the file (repeatable)")
      ->allow_extra_args(false);
  command->add_flag("--json", arguments->as_json, "for programs: a list of findings");
  std::string looks = "Looks at:\n";
  for (const auto& check : doctor_checks()) {
    char line[128];
    std::snprintf(line, sizeof line, "  %-12s %s\n", check.name, check.help);
    looks += line;
  }
  command->footer(
      looks +
      "The camera is opened for one frame, unless the daemon holds it. Exit status: 1 when anything fails.");
  return [arguments] { return run_doctor(*arguments); };
}

}  // namespace driftloop::daemon
