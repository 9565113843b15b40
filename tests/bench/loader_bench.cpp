// The batches of a large data set from its files: decode, scale, crop, flip. Beside PyTorch's DataLoader:
// peer_loader.py, which makes the data and says where they are.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>

#include "adapt/data/batches.h"

namespace {
using namespace driftloop::adapt;

/// Batches of four labelled crops of 769 px as the paper takes them.
void loader(benchmark::State& state, const std::string& spec, int workers) {
  constexpr int kImages = 4;
  EngineOptions options;
  options.input.cache_mb = 0;
  options.input.workers = workers;
  options.train.batch_source = kImages;
  options.train.batch_target = options.selftrain.batch = 0;
  const std::shared_ptr<const Dataset> source = open_dataset(spec, "");
  const auto pool = make_dataset_pool(source);
  const TargetLabels labels;
  Batches batches(options, source.get(), *pool, labels, Unlabelled::none, 1);
  std::int64_t step = 0;
  for (auto _ : state) benchmark::DoNotOptimize(batches.draw(step++));
  state.counters["images"] =
      benchmark::Counter(static_cast<double>(kImages * state.iterations()), benchmark::Counter::kIsRate);
}

const bool kRegistered = [] {
  const char* data = std::getenv("DRIFTLOOP_BENCH_DATA");
  if (data == nullptr) return true;
  for (const int workers : {1, 2, 4, 8, 16})
    benchmark::RegisterBenchmark(("loader/769x769/workers:" + std::to_string(workers)).c_str(),
                                 [=](benchmark::State& state) { loader(state, data, workers); })
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  return true;
}();

}  // namespace
