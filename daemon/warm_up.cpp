#include "daemon/warm_up.h"

#include "config/check.h"

namespace driftloop::daemon {
namespace {

/// The learner's view of a warm-up: source images alone.
class NoFrames : public adapt::FramePool {
 public:
  std::vector<adapt::PoolFrame> frames() const override { return {}; }
  cv::Mat image_rgb(const std::string&) const override { return {}; }
};

void require_learning(const WarmUp& plan, const adapt::TrainReport& report) {
  if (report.gave_up)
    throw Error("the warm-up on " + plan.source_name +
                " does not learn: its loss is not finite; lower engine.train.rate");
  if (report.steps == 0 && !report.stopped && !report.out_of_memory)
    throw Error("nothing to warm up on: engine.train.batch_source is 0");
}

}  // namespace

bool warm_up(const WarmUp& plan, const std::function<void(adapt::Engine&)>& resume,
             const std::function<std::optional<adapt::TrainReport>(adapt::Engine&)>& train) {
  adapt::EngineOptions options = plan.engine;
  options.guard.enabled = false;
  options.selftrain.weight = 0;
  NoFrames no_frames;
  adapt::Engine engine(options, plan.source, no_frames, plan.seed);
  if (resume) resume(engine);
  while (engine.step() < plan.steps) {
    const auto report = train(engine);
    if (!report) return false;
    require_learning(plan, *report);
  }
  engine.judge();  // without a guard: the trained model becomes the live one
  engine.live().save(plan.weights);
  return true;
}

}  // namespace driftloop::daemon
