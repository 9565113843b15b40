// R15: the process dies inside a checkpoint write. Half of the deaths come at a random byte of
// whatever file is being written (the kernel's limit on the size of a file, whose signal kills), half at a
// random moment (SIGKILL), so that renames, seals and the gaps between them are met as well. After each death
// the next process must find a verified state that is not older than the last one whose save() returned, and
// every label whose save_memory() returned.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <opencv2/core.hpp>
#include <random>
#include <thread>

#include "adapt/engine.h"
#include "config/durable_file.h"
#include "tests/support/temp_folder.h"

namespace driftloop::adapt {
namespace {

/// What the child acknowledged, in memory that outlives it.
struct Acknowledged {
  volatile std::int64_t state = 0;   // the step of the last save() that returned
  volatile std::int64_t labels = 0;  // answered regions of the last save_memory() or save() that returned
  volatile std::int64_t note = 0;    // likewise
  volatile int turns = -1;           // saves of this child that returned; -1 = it has not begun
};

EngineOptions smallest() {
  EngineOptions o;
  o.threads = 1;
  o.device = "cpu";
  o.model = {"deeplabv3plus_r18", 0.0625, 16, 2, 0};
  o.input.crop_width_px = o.input.crop_height_px = 33;
  o.input.scale_min = o.input.scale_max = 1;
  o.train.batch_source = 1;
  o.selftrain.weight = 0;
  o.train.batch_target = 0;
  o.acquisition.region_px = 8;
  o.guard.enabled = false;
  return o;
}

/// R15 is DRIFTLOOP_KILLS=2000: about five minutes of CPU.
int deaths() {
  const char* given = std::getenv("DRIFTLOOP_KILLS");
  return given ? std::atoi(given) : 300;
}

/// One frame at a time: the drive goes on, what was asked of earlier frames is forgotten.
class Drive : public FramePool {
 public:
  std::string now = "frame_0";
  std::vector<PoolFrame> frames() const override { return {{now, "drive", {200, 200}}}; }
  cv::Mat image_rgb(const std::string& id) const override {
    return id == now ? cv::Mat(200, 200, CV_8UC3, cv::Scalar::all(90)) : cv::Mat();
  }
};

/// Without taking its status away.
bool is_over(pid_t child) {
  siginfo_t info{};
  return ::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid != 0;
}

/// In memory where there is such a folder: what a killed process wrote stays there as well, and fsync takes
/// no time.
test::TempFolder fast_folder() {
  if (std::filesystem::is_directory("/dev/shm")) ::setenv("TMPDIR", "/dev/shm", 0);
  return {};
}

class CheckpointKill : public testing::Test {
 protected:
  /// The child's life: learn a step, merge a label, save everything or the memory alone, until it dies.
  [[noreturn]] void live(Engine& engine, Acknowledged& acknowledged, unsigned seed) {
    std::mt19937 random(seed);
    for (int turn = 0;; ++turn) {
      std::vector<RegionLabel> labels;
      for (const auto& region : engine.propose(config::Chosen("random"), {.pixels = 64, .regions = 1}))
        labels.push_back(
            {region.frame_id, region.box_px,
             cv::Mat(region.box_px.size(), CV_8UC1, cv::Scalar(static_cast<double>(region.id % 19))),
             region.id});
      engine.merge(labels);
      engine.set_note(std::to_string(std::stoll(engine.note()) + 1));
      const bool everything = random() % 2 == 0;
      if (everything) engine.train({1});
      if (everything && random() % 3 == 0) engine.judge();  // promotes: the live model is another
      if (turn == 0) acknowledged.turns = 0;
      everything ? engine.save(folder_ / "state") : engine.save_memory(folder_ / "state");
      if (everything) acknowledged.state = engine.step();
      acknowledged.labels = engine.labels().regions;
      acknowledged.note = std::stoll(engine.note());
      acknowledged.turns = turn + 1;
    }
  }

  test::TempFolder folder_ = fast_folder();
  std::shared_ptr<const Dataset> source_ =
      cached(open_dataset("streetsim:game?frames=2&width=64&height=48", ""), 1 << 24);
  Drive drive_;
};

TEST_F(CheckpointKill, EveryDeathLeavesAVerifiedStateAndNoLabelIsLost) {
  const auto state = folder_ / "state";
  auto* acknowledged =
      new (::mmap(nullptr, sizeof(Acknowledged), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0))
          Acknowledged;
  Engine engine(smallest(), source_, drive_, 7);
  engine.set_note("0");
  engine.save(state);
  std::uintmax_t largest = 1;  // file
  std::mt19937 random(15);
  int in_a_file = 0, at_a_moment = 0, saves = 0, memories = 0;
  const int wanted = deaths();
  for (int death = 0; death < wanted; ++death) {
    const bool by_size = death % 2 == 0;
    const unsigned seed = static_cast<unsigned>(random());
    acknowledged->turns = -1;
    const int turns = static_cast<int>(random() % 4);
    const rlim_t bytes = random() % largest;
    const std::int64_t state_before = acknowledged->state, note_before = acknowledged->note;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      try {
        const rlimit no_core{0, 0}, size{bytes, RLIM_INFINITY};
        ::setrlimit(RLIMIT_CORE, &no_core);
        if (by_size) ::setrlimit(RLIMIT_FSIZE, &size);
        live(engine, *acknowledged, seed);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "the child failed: %s\n", error.what());
      }
      ::_exit(1);
    }
    if (!by_size) {
      while (acknowledged->turns < turns && !is_over(child))
        std::this_thread::sleep_for(std::chrono::microseconds(50));
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 10'000));
      ::kill(child, SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "exit " << WEXITSTATUS(status);
    ++(WTERMSIG(status) == SIGXFSZ ? in_a_file : at_a_moment);
    saves += acknowledged->state > state_before;
    memories += acknowledged->note > note_before;

    // The next process: as this one has loaded before it forks, the child goes on from what is on the disk.
    ASSERT_TRUE(engine.load(state)) << "death " << death;
    ASSERT_GE(engine.step(), acknowledged->state) << "death " << death << ": older than the last save";
    ASSERT_GE(engine.labels().regions, acknowledged->labels) << "death " << death << ": a label is lost";
    ASSERT_GE(std::stoll(engine.note()), acknowledged->note) << "death " << death << ": an older place";
    drive_.now = "frame_" + std::to_string(engine.labels().asked_regions / 300);
    engine.retire([&](const std::string& frame) { return frame != drive_.now; }, {});
    for (const auto& entry : std::filesystem::directory_iterator(state)) {
      largest = std::max(largest, entry.file_size());
      // Litter, another's to sweep.
      if (entry.path().filename().string().starts_with('.')) std::filesystem::remove(entry.path());
    }
  }
  std::printf(
      "%d deaths at a byte of a file, %d at a moment; %d after a finished save, %d after a finished memory; "
      "%lld labels, step %lld\n",
      in_a_file, at_a_moment, saves, memories, static_cast<long long>(engine.labels().regions),
      static_cast<long long>(engine.step()));
  EXPECT_GE(in_a_file, wanted / 2 - 1);
  EXPECT_GT(saves, wanted / 20);
  EXPECT_GT(memories, wanted / 20);
  EXPECT_GT(engine.labels().regions, wanted / 2);
}

}  // namespace
}  // namespace driftloop::adapt
