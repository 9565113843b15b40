#include "daemon/bench/arm_jobs.h"

#include <algorithm>
#include <deque>

#include "config/check.h"
#include "config/durable_file.h"
#include "config/layers.h"
#include "daemon/bench/run_ranks.h"
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

Job warmup_job(const fs::path& out) {
  return {"warm-up", out / "warmup", {"--warmup"}};
}

std::vector<Job> training_jobs(const fs::path& out, const std::vector<std::vector<std::string>>& trainings) {
  std::vector<Job> jobs;
  for (const auto& arms : trainings) {
    Job job{arms.front(), arm_folder(out, arms.front()), {}};
    for (const auto& name : arms) job.words.insert(job.words.end(), {"--name", name});
    jobs.push_back(std::move(job));
  }
  return jobs;
}

namespace {

/// The processes of one job.
struct RunningJob {
  std::string name;
  std::vector<ChildProcess> ranks;

  /// Waits a little for each. True when all have ended; throws when one failed.
  bool ended(std::chrono::milliseconds patience) {
    bool all = true;
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
      const auto status = ranks[rank].wait(all ? patience : std::chrono::milliseconds(0));
      all = all && status.has_value();
      if (status.value_or(0) != 0) fail(rank, *status);
    }
    return all;
  }
  [[noreturn]] void fail(std::size_t rank, int status) const {
    std::string whose = "the arm '" + name + '\'';
    if (ranks.size() > 1)
      whose += ", process " + std::to_string(rank) + " of " + std::to_string(ranks.size()) + ',';
    const std::string words = ranks[rank].last_words();
    throw Error(whose + " failed: " +
                (words.empty() ? status > 128 ? "ended by signal " + std::to_string(status - 128)
                                              : "status " + std::to_string(status)
                               : words) +
                " (all of it in " + ranks[rank].log().string() + "); the same command goes on");
  }
};

RunningJob start(const Job& job, const ArmJobs& all, int threads) {
  config::make_folder(job.folder);
  for (const auto& held : {job.folder, job.folder / "state"}) config::sweep_leftovers(held);
  std::vector<std::string> words{(program_folder() / "driftloop").string(),
                                 "arm",
                                 "--run",
                                 all.out.string(),
                                 "--seed",
                                 std::to_string(all.seed)};
  words.insert(words.end(), job.words.begin(), job.words.end());
  if (threads > 0) words.insert(words.end(), {"--threads", std::to_string(threads)});
  RunningJob running{job.name, {}};
  if (all.devices == 1) {
    running.ranks.emplace_back(words, job.folder / "log.txt");
    return running;
  }
  const std::string port = std::to_string(free_port());
  for (int rank = 0; rank < all.devices; ++rank) {
    auto own = words;
    own.insert(own.end(),
               {"--devices", std::to_string(all.devices), "--rank", std::to_string(rank), "--port", port});
    running.ranks.emplace_back(own,
                               job.folder / (rank == 0 ? "log.txt" : "log_" + std::to_string(rank) + ".txt"));
  }
  return running;
}

}  // namespace

void run_arm_jobs(const ArmJobs& all, std::stop_token stop, const std::function<void(double)>& tick) {
  std::deque<Job> waiting(all.jobs.begin(), all.jobs.end());
  std::vector<RunningJob> running;
  bool one_ended = false;
  while (!waiting.empty() || !running.empty()) {
    while (!waiting.empty() && static_cast<int>(running.size()) < std::max(1, all.side_by_side())) {
      const Job job = waiting.front();
      waiting.pop_front();
      running.push_back(start(job, all, waiting.empty() && one_ended ? all.last_threads : 0));
    }
    const std::chrono::milliseconds patience(500 / static_cast<int>(running.size()));
    for (auto job = running.begin(); job != running.end();) {
      if (!job->ended(patience)) {
        ++job;
        continue;
      }
      job = running.erase(job);
      one_ended = true;
    }
    if (stop.stop_requested()) {
      for (auto& job : running)
        for (auto& rank : job.ranks) rank.terminate();
      for (auto& job : running)
        for (auto& rank : job.ranks) rank.wait(kSavePatience);
      throw Error("stopped; the same command goes on where this one was");
    }
    double share = 0;
    for (const auto& job : all.jobs)
      share += ProgressFile::share(job.folder / "progress") / static_cast<double>(all.jobs.size());
    tick(share);
  }
}

}  // namespace driftloop::daemon
