// driftloopd: the vehicle's program. Main owns the signals, the watchdog and the order of shutdown.
#include <signal.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <filesystem>
#include <iostream>

#include "config/check.h"
#include "config/command_line.h"
#include "config/durable_file.h"
#include "config/layers.h"
#include "config/redact.h"
#include "daemon/live/capture_thread.h"
#include "daemon/live/daemon_options.h"
#include "daemon/live/health.h"
#include "daemon/live/learner_thread.h"
#include "daemon/live/options_check.h"
#include "daemon/live/uplink_thread.h"
#include "daemon/process_settings.h"

namespace driftloop::daemon {
namespace {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr const char* kHostFile = "/etc/driftloop/driftloopd.yaml";
constexpr auto kTick = std::chrono::milliseconds(200);        // between two looks at the threads
constexpr auto kStopLimit = std::chrono::milliseconds(4500);  // of 5 s; what is saved is enough to go on from
constexpr auto kLinkShare = std::chrono::milliseconds(500);   // of that, kept for the link

struct Arguments {
  std::string config_file;
  std::vector<std::string> sets;
  bool check = false, show = false;
};

/// <6> and the like in front of each line: the journal's own priorities.
class JournalLevel : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& out) override {
    constexpr const char* kPrefixes[] = {"<7>", "<7>", "<6>", "<4>", "<3>", "<2>", "<6>"};
    const std::string_view prefix = kPrefixes[message.level];
    out.append(prefix.data(), prefix.data() + prefix.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JournalLevel>(); }
};

void set_up_log() {
  spdlog::set_default_logger(spdlog::stderr_color_mt("driftloopd"));
  if (std::getenv("JOURNAL_STREAM") == nullptr) return;
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<JournalLevel>('*').set_pattern("%*%v");
  spdlog::set_formatter(std::move(formatter));
}

sigset_t our_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

/// 0 when none came within `at_most`.
int next_signal(std::chrono::milliseconds at_most) {
  const sigset_t set = our_signals();
  const timespec wait{at_most.count() / 1000, (at_most.count() % 1000) * 1'000'000};
  const int signal = sigtimedwait(&set, nullptr, &wait);
  return signal > 0 ? signal : 0;
}

/// Everything of one run. The order of the members is the order of construction; threads come last.
class Daemon {
 public:
  Daemon(const Arguments& arguments, DaemonOptions options)
      : arguments_(arguments),
        options_(std::move(options)),
        state_(options_.state),
        status_(state_.status(), state_.path()),
        store_(options_.store),
        outbox_(state_.outbox()),
        gate_(options_.gate),
        pace_(options_.loop),
        started_with_(options_) {
    config::write_durably(state_.config(), stored_text(options_));
    if (!store_.repair().message.empty()) spdlog::warn("{}", store_.repair().message);
  }

  int run() {
    start();
    const auto end = supervise();
    manager_.stopping();
    const bool in_time = stop();
    status_.write(Clock::now(), LiveStatus::Ending::stopped);
    int exit_status = end == End::death ? 1 : 0;
    if (const auto death = health_.death()) {
      spdlog::critical("{} ended: {}", owner_name(death->owner), config::without_secrets(death->why));
      exit_status = 1;
    } else {
      spdlog::info("stopped: {}", status_.line());
    }
    // A thread that takes this long (a step on a slow CPU, a camera's driver) is not waited for: the last
    // saved state is whole, as after a kill.
    if (!in_time) {
      spdlog::warn("a thread did not end in time; the next start goes on from the last saved state");
      spdlog::shutdown();
      _exit(exit_status);
    }
    return exit_status;
  }

 private:
  void start() {
    uplink_ = start_owner(Owner::uplink, health_, [this](std::stop_token stop) {
      run_uplink({options_.link, outbox_, status_, health_, news_}, std::move(stop));
    });
    capture_ = start_owner(Owner::capture, health_, [this](std::stop_token stop) {
      run_capture({options_.camera, state_.capture(), gate_, store_, status_, health_, news_},
                  std::move(stop));
    });
    adapt_ = start_owner(Owner::adapt, health_, [this](std::stop_token stop) {
      run_learner({started_with_, pace_, state_, store_, outbox_, status_, health_, news_}, std::move(stop));
    });
  }

  enum class End { asked_to, rounds_done, death };
  /// Until a signal, a death, or the last round where the loop shall end then.
  End supervise() {
    bool told_ready = false;
    while (!health_.death() && !health_.is_finished(Owner::adapt)) {
      const int signal = next_signal(kTick);
      if (signal == SIGHUP) reload();
      if (signal == SIGTERM || signal == SIGINT) return End::asked_to;
      if (!told_ready && health_.all_ready()) {
        told_ready = true;
        manager_.ready(status_.line());
        spdlog::info("ready: {}", status_.line());
      }
      for (const auto owner : {Owner::capture, Owner::adapt, Owner::uplink})
        status_.trouble(owner, health_.trouble(owner));
      manager_.tick(Clock::now(), health_, status_.line());
      status_.write(Clock::now());
    }
    return health_.death() ? End::death : End::rounds_done;
  }

  void reload() {
    manager_.reloading();
    try {
      const DaemonOptions fresh = read_options(arguments_.config_file, arguments_.sets);
      check_options(fresh);
      const Reload reload = reload_options(options_, fresh);
      options_.gate = reload.options.gate;
      options_.loop = reload.options.loop;
      gate_.set(options_.gate);
      pace_.set(options_.loop);
      config::write_durably(state_.config(), stored_text(options_));
      spdlog::info("settings read again from {}", arguments_.config_file);
      for (const auto& line : reload.needs_restart)
        spdlog::warn("needs a restart: {}", config::without_secrets(line));
    } catch (const Error& error) {
      spdlog::error("settings not changed: {}", config::without_secrets(error.what()));
    }
    manager_.ready(status_.line());
  }

  /// The learner first (its last state is the dearest), the link last, one deadline over all. False when a
  /// thread did not reach its end in time: then nothing may join it.
  bool stop() {
    adapt_.request_stop();
    capture_.request_stop();
    const auto limit = Clock::now() + kStopLimit;
    const auto wait_until = [&](auto condition, Clock::time_point until) {
      while (!condition() && Clock::now() < until) next_signal(kTick / 10);
      return condition();
    };
    wait_until([&] { return health_.has_left(Owner::adapt); }, limit - kLinkShare);
    uplink_.request_stop();
    return wait_until([&] { return health_.all_left(); }, limit);
  }

  const Arguments& arguments_;
  DaemonOptions options_;  // of main: the threads have what they were started with
  StateFolder state_;
  LiveStatus status_;
  capture::FrameStore store_;
  uplink::Outbox outbox_;
  Health health_;
  News news_;
  Latest<capture::GateOptions> gate_;
  Latest<LoopOptions> pace_;
  const DaemonOptions started_with_;
  ServiceManager manager_;
  std::jthread uplink_, capture_, adapt_;
};

/// Settings that cannot be read or contradict themselves, for who starts it by hand or by script. sysexits.h,
/// EX_CONFIG.
constexpr int kBadSettings = 78;

int run_daemon(const Arguments& arguments) {
  DaemonOptions options;
  try {
    options = read_options(arguments.config_file, arguments.sets);
    if (!arguments.show && !arguments.check) check_options(options);
  } catch (const Error& error) {
    std::cerr << "driftloopd: " << config::without_secrets(error.what()) << '\n';
    return arguments.show || arguments.check ? 1 : kBadSettings;
  }
  if (arguments.show) {
    std::cout << config::to_yaml(options, config::Comments::help);
    return 0;
  }
  if (arguments.check) {
    const Findings found = find_problems(options);
    DaemonOptions read;
    const config::Places places = config::Layers("", arguments.config_file, arguments.sets).apply(read);
    for (const auto& finding : found) {
      const std::string place = places.of(finding.what);
      std::cerr << level_name(finding.level) << "  " << (place.empty() ? "" : place + ": ") << finding.what
                << ": " << finding.text << '\n';
    }
    if (any_fails(found)) return 1;
    std::cout << arguments.config_file << ": good; vehicle " << options.vehicle_id << ", camera "
              << config::without_secrets(options.camera.uri) << ", station " << options.link.station_endpoint
              << ", state " << options.state << '\n';
    return 0;
  }
  const sigset_t set = our_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);  // before any thread: all of them inherit it
  return Daemon(arguments, std::move(options)).run();
}

}  // namespace
}  // namespace driftloop::daemon

int main(int argc, char** argv) {
  using namespace driftloop;
  daemon::restart_with_patient_threads(argv);
  daemon::Arguments arguments;
  arguments.config_file = std::filesystem::exists(daemon::kHostFile) ? daemon::kHostFile : "";
  CLI::App app(
      "driftloopd: captures frames, asks the lab about the regions that teach most, learns from the "
      "answers,\n"
      "and keeps a live model that is never replaced by a worse one.");
  app.add_option("--config", arguments.config_file,
                 "settings, a YAML file (default /etc/driftloop/driftloopd.yaml)");
  app.add_option("--set", arguments.sets, "section.key=value over the file; may be repeated");
  app.add_flag("--check-config", arguments.check, "say whether the settings are good, and end");
  app.add_flag("--show-config", arguments.show, "print the settings in effect, each explained, and end");
  app.footer(
      "A vehicle needs:  vehicle_id, camera.uri, link.station_endpoint, link.station_public_key, and a "
      "start:\n"
      "                  loop.weights=FILE, or loop.replay=streetsim:game?frames=300 with "
      "loop.warmup_steps=300\n"
      "Example:          driftloopd --set vehicle_id=car7 --set state=/tmp/car7 --set "
      "camera.uri=images:///drive \\\n"
      "                    --set link.station_public_key=station.pub --set link.secret_key_file=car7.key \\\n"
      "                    --set loop.weights=start.safetensors\n"
      "While it runs:    driftloop status says what it does (from /run/driftloop or <state>/status.json), "
      "<state>/rounds.jsonl what each round "
      "brought,\n"
      "                  <state>/live/ has the live model with its manifest. SIGTERM stops it within 5 s; "
      "started again\n"
      "                  it goes on where it was. SIGHUP reads gate.* and the pace of loop.* again.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const std::string slip =
        error.get_exit_code() == 0 ? "" : config::unknown_word_of(app);  // 0: help was asked for
    if (slip.empty()) return app.exit(error);
    std::cerr << "driftloopd: " << slip << '\n';
    return 2;
  }
  daemon::set_up_log();
  try {
    return daemon::run_daemon(arguments);
  } catch (const std::exception& error) {
    std::cerr << "driftloopd: " << config::without_secrets(error.what()) << '\n';
    return 1;
  }
}
