#include "daemon/warm_up.h"

#include <cstdlib>
#include <vector>

#include "adapt/model/import.h"
#include "config/check.h"
#include "config/durable_file.h"

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

/// A net with the published weights, and the head fresh.
void start_from(const WarmUp& plan, const adapt::EngineOptions& options, adapt::Engine& engine) {
  const std::filesystem::path scratch =
      plan.weights.string() + ".start_" + std::to_string(plan.ranks->rank());
  config::make_folder(scratch.parent_path());
  adapt::import_weights({find_start(plan.start), adapt::spec_of(options), plan.seed, ""}, scratch);
  engine.load_weights(scratch, adapt::EmaStart::fresh);
  std::filesystem::remove(scratch);
}

}  // namespace

std::filesystem::path find_start(const std::string& start) {
  std::error_code error;
  if (std::filesystem::is_regular_file(start, error)) return start;
  std::vector<std::filesystem::path> folders;
  if (const char* own = std::getenv("DRIFTLOOP_WEIGHTS")) folders.emplace_back(own);
  folders.insert(folders.end(), {DRIFTLOOP_SOURCE_WEIGHTS, DRIFTLOOP_INSTALLED_WEIGHTS});
  std::string looked_at;
  for (const auto& folder : folders)
    for (const char* ending : {".safetensors", ".pth"}) {
      const auto file = folder / (start + ending);
      if (std::filesystem::is_regular_file(file, error)) return file;
      looked_at += (looked_at.empty() ? "" : ", ") + file.string();
    }
  throw Error("no weights '" + start + "' to start from (looked for " + looked_at +
              "): run scripts/setup.sh, give a file, or leave start empty to train from nothing");
}

bool warm_up(const WarmUp& plan, const std::function<void(adapt::Engine&)>& resume,
             const std::function<std::optional<adapt::TrainReport>(adapt::Engine&)>& train) {
  adapt::EngineOptions options = plan.engine;
  options.guard.enabled = false;
  options.selftrain.weight = 0;
  NoFrames no_frames;
  adapt::Engine engine(options, plan.source, no_frames, plan.seed, *plan.ranks);
  if (resume) resume(engine);
  if (engine.step() == 0 && !plan.start.empty()) start_from(plan, options, engine);
  while (engine.step() < plan.steps) {
    const auto report = train(engine);
    if (!report) return false;
    require_learning(plan, *report);
  }
  engine.judge();  // without a guard: the trained model becomes the live one
  if (plan.ranks->rank() == 0) engine.live().save(plan.weights);
  return true;
}

}  // namespace driftloop::daemon
