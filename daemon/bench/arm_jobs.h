// The trainings of a run as processes of their own, some at a time.
#pragma once
#include <filesystem>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "config/folder_lock.h"
#include "daemon/bench/offline_options.h"

namespace driftloop::daemon {

/// A process of `driftloop arm`, or one for each device.
struct Job {
  std::string name;                // for messages
  std::filesystem::path folder;    // of its log and its progress
  std::vector<std::string> words;  // of its command line, beside the run and the seed
};
Job warmup_job(const std::filesystem::path& out);
/// Each of the groups of arms that share a training.
std::vector<Job> training_jobs(const std::filesystem::path& out,
                               const std::vector<std::vector<std::string>>& trainings);

struct ArmJobs {
  std::filesystem::path out;  // the run's folder; holds run.yaml
  std::vector<Job> jobs;
  std::function<int()> side_by_side;  // how many at a time, asked anew before each start
  std::uint64_t seed = 0;
  // Of the training that is started last, after another has ended: it has the cores to itself for most of its
  // time. 0 = as the others. Sums are rounded otherwise with another number, so a run that is to be repeated
  // exactly leaves it.
  int last_threads = 0;
  int devices = 1;  // processes of each job, on this machine
};

/// `command` and its --set arguments, as a user would type them.
std::string command_text(std::string command, const std::vector<std::string>& sets);

/// The folder of a run: one process at a time, one command for ever, as a resumed run continues with what is
/// there. Throws Error when another process has it or when it was begun by another command.
class RunFolder {
 public:
  RunFolder(const std::filesystem::path& out, const std::string& command);

 private:
  config::FolderLock lock_;
};

/// Writes out/run.yaml, which the arm processes read.
void write_run_file(const RunOptions& options, const std::filesystem::path& out);

/// Runs every job and waits; `tick` is called about twice a second with the share of all done. Throws Error
/// with the last words of one that failed (the others are stopped; what was saved is kept and the same
/// command goes on).
void run_arm_jobs(const ArmJobs& jobs, std::stop_token stop, const std::function<void(double share)>& tick);

/// The folder of an arm below the run's.
std::filesystem::path arm_folder(const std::filesystem::path& out, const std::string& arm);

}  // namespace driftloop::daemon
