// How long a run of several stages still takes. Each stage is so many units of work, of which an expectation
// says how long one takes; what is measured takes its place as soon as there is something, and the ratio of
// the two corrects the stages that are still to come. Owns no clock: time is an argument.
#pragma once
#include <string>
#include <vector>

namespace driftloop::daemon {

struct PlannedStage {
  std::string name;
  double units = 0;   // of work; a stage of 0 units is skipped
  double unit_s = 0;  // expected seconds a unit, > 0; only the proportions between the stages matter
};

struct Remaining {
  double share = 0;    // of the run's whole time, 0..1; below 1 until finish()
  double left_s = 0;   // smoothed: an estimate that jumps is of no use
  bool known = false;  // enough was measured to say anything
};

class StagePlan {
 public:
  /// `now_s` is the beginning, in seconds of any monotonic clock.
  StagePlan(std::vector<PlannedStage> stages, double now_s);

  /// The stage of that name begins (or goes on); those before it are over. An earlier or unknown stage throws
  /// CheckError.
  void enter(const std::string& stage, double now_s);
  /// So many units of the current stage are done: a number that does not fall (less is ignored).
  void done(double units, double now_s);
  /// So much of the current stage is done, 0..1.
  void done_share(double share, double now_s);
  /// What an earlier run did of the stage (a resumed run) took no time of this one.
  void skip(double units);
  void skip_share(double share);
  void finish(double now_s);

  Remaining remaining(double now_s);

 private:
  struct Stage {
    PlannedStage plan;
    double skipped = 0, done = 0;                // units
    double began_s = 0, news_s = 0, took_s = 0;  // news: when `done` last grew
  };
  void leave_current(double now_s);
  double speed() const;
  double left_of_current(double now_s) const;

  std::vector<Stage> stages_;
  std::size_t current_ = 0;
  bool finished_ = false;
  double start_s_;
  double smooth_end_s_ = 0, smoothed_at_s_ = 0;
  bool has_smooth_ = false;
};

}  // namespace driftloop::daemon
