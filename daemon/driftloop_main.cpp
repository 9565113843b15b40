// `driftloop`: a table of subcommands.
#include <csignal>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <string_view>
#include <system_error>

#include "config/check.h"
#include "config/command_line.h"
#include "daemon/commands/commands.h"
#include "daemon/process_settings.h"
#include "daemon/version.h"

int main(int argc, char** argv) {
  using namespace driftloop;
  for (const std::string_view trains : {"demo", "bench", "arm", "eval"})
    if (argc > 1 && trains == argv[1]) daemon::restart_for_training(argv);
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app{
      "driftloop keeps a segmentation net good where the vehicle drives.\nStart with:  driftloop demo --out "
      "out/demo",
      "driftloop"};
  app.set_version_flag("--version", std::string(daemon::version()) + " (" + daemon::revision() + ")");
  app.require_subcommand(1);
  struct Entry {
    daemon::Run (*add)(CLI::App&);
    daemon::Run run;
    CLI::App* command;
  };
  std::vector<Entry> entries;
  for (auto add : {daemon::add_demo, daemon::add_bench, daemon::add_eval, daemon::add_config,
                   daemon::add_status, daemon::add_doctor, daemon::add_data, daemon::add_weights,
                   daemon::add_export, daemon::add_keygen, daemon::add_arm}) {
    const std::size_t before = app.get_subcommands([](CLI::App*) { return true; }).size();
    daemon::Run run = add(app);
    entries.push_back({add, run, app.get_subcommands([](CLI::App*) { return true; }).at(before)});
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string slip =
        error.get_exit_code() == 0 ? "" : config::unknown_word_of(app);  // 0: help was asked for
    if (slip.empty()) return app.exit(error);
    std::fprintf(stderr, "driftloop: %s\n", slip.c_str());
    return 2;
  }
  try {
    for (const auto& entry : entries)
      if (entry.command->parsed()) return entry.run();
  } catch (const Error& error) {
    std::fprintf(stderr, "driftloop: %s\n", error.what());
    return 1;
  } catch (const std::filesystem::filesystem_error& error) {
    const std::string second = error.path2().empty() ? "" : " and " + error.path2().string();
    std::fprintf(stderr, "driftloop: cannot use %s%s: %s\n", error.path1().c_str(), second.c_str(),
                 error.code().message().c_str());
    return 1;
  } catch (const std::system_error& error) {
    std::fprintf(stderr, "driftloop: the system refused: %s\n", error.what());
    return 1;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "driftloop: out of memory\n");
    return 1;
  } catch (const std::exception& error) {
    const std::string what = error.what();  // LibTorch adds a stack trace in further lines
    std::fprintf(stderr, "driftloop: internal error: %s\nPlease report this with the command line.\n",
                 what.substr(0, what.find('\n')).c_str());
    return 2;
  }
  return 0;
}
