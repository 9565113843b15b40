// `driftloop config` and `keygen`.
#include <cstdio>
#include <memory>

#include "config/durable_file.h"
#include "config/layers.h"
#include "daemon/bench/offline_options.h"
#include "daemon/commands/commands.h"
#include "daemon/live/daemon_options.h"
#include "uplink/keys.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;

Run add_config(CLI::App& app) {
  auto* command = app.add_subcommand("config", "show settings");
  command->require_subcommand(1);
  auto* show = command->add_subcommand(
      "show", "print the effective settings with their help: of a benchmark preset, or of the daemon");
  struct Arguments {
    std::string preset, daemon_file;
    std::vector<std::string> sets;
    bool daemon = false;
  };
  auto arguments = std::make_shared<Arguments>();
  show->add_option("preset", arguments->preset, "a preset's name or file; none = the defaults");
  show->add_flag("--daemon", arguments->daemon, "the settings of driftloopd instead of a benchmark's");
  show->add_option("--config", arguments->daemon_file, "with --daemon: its configuration file");
  show->add_option("--set", arguments->sets, "override a setting: section.key=value (repeatable)")
      ->allow_extra_args(false);
  return [arguments] {
    const config::Layers layers(arguments->preset, arguments->daemon_file, arguments->sets);
    std::string text;
    if (arguments->daemon) {
      DaemonOptions options;
      layers.apply(options);
      text = config::to_yaml(options, config::Comments::help);
    } else {
      RunOptions options;
      layers.apply(options);
      text = config::to_yaml(options, config::Comments::help);
    }
    std::fputs(text.c_str(), stdout);
    return 0;
  };
}

Run add_keygen(CLI::App& app) {
  auto* command = app.add_subcommand(
      "keygen", "make the key pair of a vehicle (the station's: driftloop-station keygen)");
  struct Arguments {
    std::string out, name = "vehicle";
  };
  auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("--out", arguments->out,
                   "folder for NAME.key (secret) and NAME.pub (goes to the station's allow folder)")
      ->required();
  command->add_option("--name", arguments->name, "the vehicle's id")->capture_default_str();
  return [arguments] {
    config::make_folder(arguments->out);
    const fs::path secret = uplink::save_keys(uplink::generate_keys(), arguments->out, arguments->name);
    std::printf("secret key: %s\npublic key: %s\n", secret.c_str(),
                fs::path(secret).replace_extension(".pub").c_str());
    return 0;
  };
}

}  // namespace driftloop::daemon
