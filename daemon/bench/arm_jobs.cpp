#include "daemon/bench/arm_jobs.h"

#include <algorithm>
#include <deque>
#include <map>

#include "config/check.h"
#include "config/durable_file.h"
#include "config/layers.h"
#include "daemon/child_process.h"
#include "daemon/progress.h"

namespace driftloop::daemon {
namespace fs = std::filesystem;
namespace {
constexpr std::chrono::minutes kSavePatience{2};  // of a stopped training: a step, and writing its state
}

fs::path arm_folder(const fs::path& out, const std::string& arm) {
  return out / "arms" / arm;
}

std::string command_text(std::string command, const std::vector<std::string>& sets) {
  for (const auto& set : sets) command += " --set " + set;
  return command;
}

RunFolder::RunFolder(const fs::path& out, const std::string& command)
    : lock_(out, "driftloop bench or demo", "wait for it, or give another --out") {
  config::sweep_leftovers(out);
  const fs::path file = out / "command.txt";
  if (!fs::exists(file)) config::write_durably(file, command + '\n');
  const std::string before = config::read_file(file);
  if (before != command + '\n')
    throw Error(out.string() + " holds the run of '" + before.substr(0, before.find('\n')) + "', not of '" +
                command + "': continue with that command, or give another --out");
}

void write_run_file(const RunOptions& options, const fs::path& out) {
  config::make_folder(out);
  config::write_durably(out / "run.yaml", config::to_yaml(options, config::Comments::help));
}

void run_arm_jobs(const ArmJobs& jobs, std::stop_token stop, const std::function<void(double)>& tick) {
  std::deque<std::vector<std::string>> waiting(jobs.trainings.begin(), jobs.trainings.end());
  std::map<std::string, ChildProcess> running;
  bool one_ended = false;
  while (!waiting.empty() || !running.empty()) {
    while (!waiting.empty() && static_cast<int>(running.size()) < std::max(1, jobs.jobs())) {
      const std::vector<std::string> arms = waiting.front();
      const std::string& arm = arms.front();
      waiting.pop_front();
      const fs::path folder = arm_folder(jobs.out, arm);
      config::make_folder(folder);
      for (const auto& held : {folder, folder / "state"}) config::sweep_leftovers(held);
      std::vector<std::string> words{(program_folder() / "driftloop").string(),
                                     "arm",
                                     "--run",
                                     jobs.out.string(),
                                     "--seed",
                                     std::to_string(jobs.seed)};
      for (const auto& name : arms) words.insert(words.end(), {"--name", name});
      if (waiting.empty() && one_ended && jobs.last_threads > 0)
        words.insert(words.end(), {"--threads", std::to_string(jobs.last_threads)});
      running.emplace(arm, ChildProcess(words, folder / "log.txt"));
    }
    for (auto child = running.begin(); child != running.end();) {
      const auto status =
          child->second.wait(std::chrono::milliseconds(500 / static_cast<int>(running.size())));
      if (!status) {
        ++child;
        continue;
      }
      if (*status != 0)
        throw Error("the arm '" + child->first + "' failed: " + child->second.last_words() +
                    " (all of it in " + child->second.log().string() + ')');
      child = running.erase(child);
      one_ended = true;
    }
    if (stop.stop_requested()) {
      for (auto& [arm, child] : running) child.terminate();
      for (auto& [arm, child] : running) child.wait(kSavePatience);
      throw Error("stopped; the same command goes on where this one was");
    }
    double share = 0;
    for (const auto& arms : jobs.trainings)
      share += ProgressFile::share(arm_folder(jobs.out, arms.front()) / "progress") /
               static_cast<double>(jobs.trainings.size());
    tick(share);
  }
}

}  // namespace driftloop::daemon
