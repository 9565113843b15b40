// A round's scan and choice without the net: what a strategy adds to the teacher's time, with the regions of
// 64 px that people are asked about, on frames of 1280x720.
#include <ATen/ATen.h>
#include <benchmark/benchmark.h>

#include <string>

#include "adapt/acquisition/strategy.h"

namespace driftloop::adapt {
namespace {

constexpr int kClassesHere = 19;
constexpr int kChannels = 256;  // of the full-width net
const cv::Size kFrame{1280, 720};

/// `frames` frames of four pictures in turn: an upsampled random map each, features at stride 8 that follow
/// it.
class PaintedPool : public PoolView {
 public:
  explicit PaintedPool(int frames) {
    at::manual_seed(1);
    for (int i = 0; i < frames; ++i) ids_.push_back("frame_" + std::to_string(i));
    for (int i = 0; i < 4; ++i) {
      const auto coarse = 3 * at::randn({1, kClassesHere, kFrame.height / 40, kFrame.width / 40});
      const auto prob =
          at::upsample_bilinear2d(coarse, {kFrame.height, kFrame.width}, true).softmax(1)[0].contiguous();
      const auto cells = at::avg_pool2d(prob.unsqueeze(0), 8)[0];
      const auto mixed = at::matmul(at::randn({kChannels, kClassesHere}), cells.flatten(1));
      seen_.push_back({prob, mixed.reshape({kChannels, kFrame.height / 8, kFrame.width / 8})});
    }
  }
  std::size_t size() const override { return ids_.size(); }
  const std::string& frame_id(std::size_t i) const override { return ids_[i]; }
  const std::string& group(std::size_t) const override { return group_; }
  cv::Size frame_size(std::size_t) const override { return kFrame; }
  std::optional<Prediction> predict(std::size_t i, Want) override { return seen_[i % seen_.size()]; }
  cv::Mat taken(std::size_t) const override { return {}; }

 private:
  std::vector<std::string> ids_;
  std::string group_ = "drive";
  std::vector<Prediction> seen_;
};

void round_of(benchmark::State& state, const char* strategy, int region_px) {
  const int frames = static_cast<int>(state.range(0));
  PaintedPool pool(frames);
  SelectRequest request;
  request.region_px = region_px;
  request.budget = {
      .pixels = std::int64_t{1} << 40, .pixels_per_frame = 2L * region_px * region_px, .regions = 20};
  for (auto _ : state) {
    const auto regions = make_strategy(config::Chosen(strategy))->select(pool, request).regions;
    if (regions.size() != 20) state.SkipWithError("not 20 regions");
  }
  state.counters["time/frame"] =
      benchmark::Counter(static_cast<double>(frames),
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

#define ROUND_OF(strategy, side)                                  \
  BENCHMARK_CAPTURE(round_of, strategy##_##side, #strategy, side) \
      ->Name("round/" #strategy "/region:" #side "/720x1280")     \
      ->ArgName("frames")                                         \
      ->Arg(40)                                                   \
      ->Unit(benchmark::kMillisecond)                             \
      ->UseRealTime()
ROUND_OF(cover, 64);
ROUND_OF(entropy, 64);
ROUND_OF(ripu, 64);
ROUND_OF(random, 64);
ROUND_OF(entropy, 8);
ROUND_OF(entropy, 512);

}  // namespace
}  // namespace driftloop::adapt
