// Durable throughput of the vehicle's outbox: each batch is one transaction with its fsync.
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/support/temp_folder.h"
#include "uplink/outbox.h"

namespace {

using driftloop::uplink::OutboundItem;
using driftloop::uplink::Outbox;
using driftloop::uplink::StoreOutcome;

OutboundItem make_item(std::int64_t n, std::size_t image_bytes) {
  driftloop::uplink::RegionRequest r;
  r.vehicle_id = "bench";
  r.frame_name = "frame_" + std::to_string(n);
  r.frame_width = 1280;
  r.frame_height = 720;
  r.box = {0, 0, 64, 64};
  r.crop = {0, 0, 128, 128};
  r.crop_image.assign(image_bytes, 'x');
  return driftloop::uplink::outbound(r, static_cast<double>(n % 1000));
}

/// Region bytes of 8 kB, as a 128 px crop in WebP takes; encoding and SHA-256 are not counted.
void outbox_add(benchmark::State& state, std::size_t batch) {
  driftloop::test::TempFolder folder;
  Outbox outbox(folder / "outbox.sqlite");
  std::int64_t n = 0;
  std::vector<OutboundItem> items(batch);
  for (auto _ : state) {
    state.PauseTiming();
    for (auto& item : items) item = make_item(n++, 8000);
    state.ResumeTiming();
    if (outbox.add(items) != StoreOutcome::done) state.SkipWithError("disk full");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * batch));
}

/// A region's whole life on the vehicle: queued, chosen, read with its check, receipted; 32 at a time.
void outbox_roundtrip(benchmark::State& state, std::size_t image_bytes) {
  constexpr std::size_t kBatch = 32;
  driftloop::test::TempFolder folder;
  Outbox outbox(folder / "outbox.sqlite");
  std::int64_t n = 0;
  std::vector<OutboundItem> items(kBatch);
  for (auto _ : state) {
    state.PauseTiming();
    for (auto& item : items) item = make_item(n++, image_bytes);
    state.ResumeTiming();
    if (outbox.add(items) != StoreOutcome::done) state.SkipWithError("disk full");
    std::vector<std::string> digests;
    for (const auto& next : outbox.next_by_value(kBatch)) {
      benchmark::DoNotOptimize(outbox.payload(next.digest));
      digests.push_back(next.digest);
    }
    if (outbox.mark_receipted(digests) != StoreOutcome::done) state.SkipWithError("disk full");
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kBatch));
}

[[maybe_unused]] const bool registered = [] {
  for (const std::size_t batch : {1, 8, 32, 128})
    benchmark::RegisterBenchmark(("outbox/add/batch:" + std::to_string(batch)).c_str(), outbox_add, batch)
        ->UseRealTime();
  for (const std::size_t bytes : {8'000, 64'000})
    benchmark::RegisterBenchmark(("outbox/roundtrip/bytes:" + std::to_string(bytes)).c_str(),
                                 outbox_roundtrip, bytes)
        ->UseRealTime();
  return true;
}();

}  // namespace
