// One training step of the demo's net and of a larger one: 2 source, 2 target and 2 unlabelled crops.
#include <benchmark/benchmark.h>

#include "adapt/train/trainer.h"

namespace {
using namespace driftloop::adapt;

void train_step(benchmark::State& state, const char* name, double width, int output_stride) {
  torch::set_num_threads(1);
  const torch::AutoGradMode with_gradients(true);  // the region benchmarks of this program run without
  const std::int64_t height = state.range(0), crop_width = state.range(1);
  ModelSpec spec;
  spec.net = {name, width, output_stride, 3, 0.1};
  TrainOptions train;
  train.optimiser = "adamw";
  Trainer trainer(spec, train, {}, torch::kCPU, 1);
  Batch batch;
  const auto images = [&] { return torch::randint(0, 256, {2, height, crop_width, 3}, torch::kByte); };
  batch.source_image = images();
  batch.target_image = images();
  batch.weak_image = images();
  batch.strong_image = images();
  batch.source_label = torch::randint(0, 19, {2, height, crop_width}, torch::kInt64);
  batch.target_label = torch::full({2, height, crop_width}, 255, torch::kInt64);
  batch.target_label.slice(1, 0, 8).slice(2, 0, 8).fill_(1);
  driftloop::config::Random random(1);
  trainer.step(batch, random);
  for (auto _ : state) benchmark::DoNotOptimize(trainer.step(batch, random).total);
  state.counters["images/s"] = benchmark::Counter(6, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

BENCHMARK_CAPTURE(train_step, r18_quarter_os16, "deeplabv3plus_r18", 0.25, 16)
    ->Name("train_step/r18/width:0.25/stride:16")
    ->Args({128, 192})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(train_step, r18_quarter_os8, "deeplabv3plus_r18", 0.25, 8)
    ->Name("train_step/r18/width:0.25/stride:8")
    ->Args({128, 192})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(train_step, r18_os16, "deeplabv3plus_r18", 1.0, 16)
    ->Name("train_step/r18/width:1/stride:16")
    ->Args({128, 192})
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(train_step, lite0_os16, "efficientnet_lite0", 1.0, 16)
    ->Name("train_step/lite0/stride:16")
    ->Args({144, 256})
    ->Unit(benchmark::kMillisecond);
