// The subcommands of `driftloop`: each adds itself to the command line and says what runs when it is chosen.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>

namespace driftloop::daemon {

using Run = std::function<int()>;

/// Each returns what to run; it reads the options that CLI11 has filled in by then.
Run add_demo(CLI::App& app);
Run add_bench(CLI::App& app);
Run add_speed(CLI::App& bench);
Run add_arm(CLI::App& app);
Run add_eval(CLI::App& app);
Run add_export(CLI::App& app);
Run add_config(CLI::App& app);
Run add_status(CLI::App& app);
Run add_doctor(CLI::App& app);
Run add_data(CLI::App& app);
Run add_keygen(CLI::App& app);
Run add_weights(CLI::App& app);

}  // namespace driftloop::daemon
