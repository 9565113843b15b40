// One training step as a whole and in its parts: the net forward and back, the losses, the optimiser with the
// teacher's move, and the loader. Beside it in PyTorch: peer_step.py.
#include <benchmark/benchmark.h>

#include <fstream>
#include <string>

#include "adapt/data/batches.h"
#include "adapt/train/trainer.h"

namespace {
using namespace driftloop::adapt;

struct StepCase {
  const char* name;
  double width;
  int output_stride, classes_seen;
  std::int64_t source, target, unlabelled, height, width_px;
};
constexpr StepCase kR18{"deeplabv3plus_r18", 0.25, 16, 19, 2, 2, 2, 128, 192};
constexpr StepCase kR18Stride8{"deeplabv3plus_r18", 0.25, 8, 19, 2, 2, 2, 128, 192};
constexpr StepCase kR18Whole{"deeplabv3plus_r18", 1, 16, 19, 2, 2, 2, 128, 192};
constexpr StepCase kLite0{"efficientnet_lite0", 1, 16, 19, 4, 4, 0, 176, 240};
constexpr StepCase kLite0SelfTrain{"efficientnet_lite0", 1, 16, 19, 4, 4, 4, 176, 240};

ModelSpec spec_of_case(const StepCase& c) {
  ModelSpec spec;
  spec.net = {c.name, c.width, c.output_stride, 3, 0.1};
  return spec;
}

TrainOptions options_of_case() {
  TrainOptions train;
  train.optimiser = "adamw";
  train.ohem_threshold = 1;
  return train;
}

/// Images with plausible labels: blobs, not noise; the target's are a few tiles.
Batch batch_of(const StepCase& c) {
  const auto images = [&](std::int64_t n) {
    return torch::randint(0, 256, {n, c.height, c.width_px, 3}, torch::kByte);
  };
  Batch batch;
  batch.source_image = images(c.source);
  batch.source_label =
      torch::randint(0, c.classes_seen, {c.source, c.height / 16, c.width_px / 16}, torch::kInt64)
          .repeat_interleave(16, 1)
          .repeat_interleave(16, 2);
  batch.target_image = images(c.target);
  batch.target_label = torch::full({c.target, c.height, c.width_px}, 255, torch::kInt64);
  batch.target_label.slice(1, 0, 8).slice(2, 0, 8).fill_(1);
  if (c.unlabelled > 0) {
    batch.weak_image = images(c.unlabelled);
    batch.strong_image = images(c.unlabelled);
  }
  return batch;
}

/// Resident memory of this program at most, so far: of use where one benchmark is run alone.
double peak_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  return 0;
}

void whole_step(benchmark::State& state, const StepCase& c, torch::Device device) {
  torch::set_num_threads(1);
  const torch::AutoGradMode with_gradients(true);  // the region benchmarks of this program run without
  Trainer trainer(spec_of_case(c), options_of_case(), {}, device, 1);
  const Batch batch = batch_of(c);
  driftloop::config::Random random(1);
  trainer.step(batch, random);
  for (auto _ : state) benchmark::DoNotOptimize(trainer.step(batch, random).total);
  const auto images = static_cast<double>(c.source + c.target + c.unlabelled);
  state.counters["images/s"] = benchmark::Counter(images, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["peak_MiB"] = peak_mib();
}

enum class Part { forward, backward, losses, optimiser };

void part_of_step(benchmark::State& state, const StepCase& c, Part part) {
  torch::set_num_threads(1);
  const torch::AutoGradMode with_gradients(true);
  torch::manual_seed(1);
  const auto net = make_net(spec_of_case(c).net, 19);
  const auto teacher = make_net(spec_of_case(c).net, 19);
  const TrainOptions options = options_of_case();
  Optimiser optimiser(*net, options);
  auto terms = make_terms({options, SelfTrainOptions{}});
  const Batch batch = batch_of(c);
  StepContext context;
  context.source = {0, batch.source_label};
  context.target = {c.source, batch.target_label};
  const auto image = net->normalised(at::cat({batch.source_image, batch.target_image}));
  net->train();
  for (auto _ : state) {
    state.PauseTiming();
    optimiser.drop_gradients();
    context.output = {};
    if (part == Part::forward) state.ResumeTiming();
    context.output = net->run(image, Outputs::main);
    if (part == Part::forward) continue;
    const auto push = at::ones_like(context.output.logits_nchw);
    if (part == Part::backward) {
      state.ResumeTiming();
      context.output.logits_nchw.backward(push);
      continue;
    }
    if (part == Part::losses) {
      context.output.logits_nchw = context.output.logits_nchw.detach().requires_grad_();
      state.ResumeTiming();
      at::Tensor total = at::zeros({});
      for (auto& term : terms)
        if (const auto value = term.loss->value(context); value.defined()) total = total + value;
      total.backward();
      continue;
    }
    context.output.logits_nchw.backward(push);
    state.ResumeTiming();
    benchmark::DoNotOptimize(optimiser.gradient_norm().item<double>());
    optimiser.step(1, 1);
    const torch::NoGradGuard no_grad;
    at::_foreach_lerp_(teacher->parameters(), net->parameters(), 0.01);
  }
}

void loader(benchmark::State& state, const StepCase& c) {
  EngineOptions options;
  options.input = {.work_long_side_px = 240,
                   .crop_width_px = static_cast<int>(c.width_px),
                   .crop_height_px = static_cast<int>(c.height),
                   .scale_min = 1,
                   .scale_max = 1.25,
                   .source_jitter = 0.5,
                   .student_jitter = 0.3,
                   .workers = 0};
  options.train.batch_source = static_cast<int>(c.source);
  options.selftrain.batch = static_cast<int>(c.target);
  const std::shared_ptr<const Dataset> source =
      cached(open_dataset("streetsim:game?frames=16&stride=40&width=240&height=180", ""), 1 << 30);
  const auto pool = make_dataset_pool(source);
  const TargetLabels labels;
  Batches batches(options, source.get(), *pool, labels, Unlabelled::drawn, 1);
  for (std::size_t i = 0; i < source->size(); ++i) labelled_image(*source, i);
  std::int64_t step = 0;
  for (auto _ : state) benchmark::DoNotOptimize(batches.draw(step++));
}

const bool kRegistered = [] {
  const auto whole = [](const char* name, const StepCase& c) {
    for (const torch::Device device : {torch::kCPU, torch::kCUDA}) {
      if (device.is_cuda() && !at::hasCUDA()) continue;
      const std::string title = (device.is_cuda() ? "train_step_cuda/" : "train_step/") + std::string(name);
      benchmark::RegisterBenchmark(title.c_str(), [&c, device](benchmark::State& state) {
        whole_step(state, c, device);
      })->Unit(benchmark::kMillisecond);
    }
  };
  whole("r18/width:0.25/stride:16/2+2+2/128x192", kR18);
  whole("r18/width:0.25/stride:8/2+2+2/128x192", kR18Stride8);
  whole("r18/width:1/stride:16/2+2+2/128x192", kR18Whole);
  whole("lite0/stride:16/4+4/176x240", kLite0);
  whole("lite0/stride:16/4+4+4/176x240", kLite0SelfTrain);
  const auto add = [](const char* what, auto run) {
    benchmark::RegisterBenchmark((std::string("train_part/lite0/4+4/176x240/") + what).c_str(), run)
        ->Unit(benchmark::kMillisecond);
  };
  add("forward", [](benchmark::State& state) { part_of_step(state, kLite0, Part::forward); });
  add("backward", [](benchmark::State& state) { part_of_step(state, kLite0, Part::backward); });
  add("losses", [](benchmark::State& state) { part_of_step(state, kLite0, Part::losses); });
  add("optimiser", [](benchmark::State& state) { part_of_step(state, kLite0, Part::optimiser); });
  add("loader", [](benchmark::State& state) { loader(state, kLite0); });
  return true;
}();

}  // namespace
