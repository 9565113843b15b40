// A put into a full frame store that keeps 1,000 to 100,000 frames: compared with all of them, and one
// evicted.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <opencv2/core.hpp>
#include <optional>
#include <string>

#include "capture/frame_store.h"
#include "capture/keep_order.h"
#include "tests/support/temp_folder.h"

namespace {

using driftloop::capture::FrameStore;
using driftloop::capture::KeepOrder;
using driftloop::capture::Signature;

/// Around 200 places, as a vehicle that drives the same streets.
Signature anywhere(cv::RNG& random) {
  cv::RNG place(static_cast<std::uint64_t>(random.uniform(0, 200)) + 1);
  Signature signature;
  for (auto& byte : signature)
    byte = static_cast<std::uint8_t>(place.uniform(40, 215) + random.uniform(-20, 21));
  return signature;
}

/// The decision alone: the new frame is compared, the least novel one goes.
void keep_order_turn(benchmark::State& state) {
  cv::RNG random(1);
  KeepOrder order(std::int64_t{1} << 50);
  KeepOrder::Changed changed;
  std::uint64_t sequence = 0;
  // Links are found as the frames come, in the quadratic time that a store spends over its whole life.
  while (sequence < static_cast<std::uint64_t>(state.range(0))) {
    order.add(sequence++, {false, false, 1}, anywhere(random), changed);
    changed.clear();
  }
  double worst_ms = 0;
  for (auto _ : state) {
    const Signature look = anywhere(random);
    const auto start = cv::getTickCount();
    order.remove(*order.next(changed));
    order.add(sequence++, {false, false, 1}, look, changed);
    worst_ms = std::max(worst_ms, double(cv::getTickCount() - start) / cv::getTickFrequency() * 1e3);
    changed.clear();
  }
  state.counters["worst_ms"] = worst_ms;
}

/// All of it: 320 x 192, JPEG, file, index, eviction.
void frame_store_put(benchmark::State& state) {
  driftloop::test::TempFolder folder;
  driftloop::capture::StoreOptions options;
  options.folder = folder.path();
  options.ballast_bytes = 0;
  options.quota_bytes = std::int64_t{1} << 40;
  cv::RNG random(1);
  cv::Mat image(192, 320, CV_8UC3);
  const auto draw = [&] {
    cv::Mat cells(3, 4, CV_8UC3);
    random.fill(cells, cv::RNG::UNIFORM, 0, 256);
    for (int y = 0; y < image.rows; ++y)
      for (int x = 0; x < image.cols; ++x) image.at<cv::Vec3b>(y, x) = cells.at<cv::Vec3b>(y / 64, x / 80);
  };
  std::int64_t used = 0;
  {
    FrameStore store(options);
    for (std::int64_t i = 0; i < state.range(0); ++i) {
      draw();
      static_cast<void>(store.put({image, "bench", 0, 0}));
    }
    used = store.used_bytes();
  }
  options.quota_bytes = used;
  const auto start = cv::getTickCount();
  FrameStore store(options);
  state.counters["open_ms"] = double(cv::getTickCount() - start) / cv::getTickFrequency() * 1e3;
  for (auto _ : state) {
    state.PauseTiming();
    draw();
    state.ResumeTiming();
    if (store.put({image, "bench", 0, 0}).status != driftloop::capture::PutStatus::stored)
      state.SkipWithError("full");
  }
  state.counters["evicted"] = static_cast<double>(store.counters().evicted);
}

BENCHMARK(keep_order_turn)
    ->Name("frame_store/decide")
    ->Arg(1'000)
    ->Arg(10'000)
    ->Arg(100'000)
    ->Iterations(500)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(frame_store_put)
    ->Name("frame_store/put")
    ->Arg(1'000)
    ->Arg(10'000)
    ->Iterations(500)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
