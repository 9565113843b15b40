// What a region's picture takes on the link, by format and side: bytes are a counter, the time is the
// encoding.
#include <benchmark/benchmark.h>

#include <memory>
#include <opencv2/core.hpp>
#include <string>
#include <vector>

#include "adapt/data/dataset.h"
#include "daemon/live/region_codec.h"

namespace {

using driftloop::daemon::CodecOptions;
using driftloop::daemon::SeenFrame;

constexpr int kRegionPx = 2;

const std::vector<SeenFrame>& frames() {
  static const std::vector<SeenFrame> drive_frames = [] {
    std::vector<SeenFrame> made;
    const auto drive =
        driftloop::adapt::open_dataset("streetsim:dusk?frames=8&stride=40&seed=5&width=640&height=360", "");
    for (std::size_t i = 0; i < drive->size(); ++i) {
      SeenFrame& frame = made.emplace_back();
      frame.stored.name = drive->id(i);
      frame.image_rgb = drive->image_rgb(i);
    }
    return made;
  }();
  return drive_frames;
}

void crop(benchmark::State& state, const std::string& format, int side_px) {
  CodecOptions options;
  options.vehicle_id = "bench";
  options.label_space = "cityscapes19";
  options.context_px = (side_px - kRegionPx) / 2;
  options.format = format;
  const std::vector<SeenFrame>& drive = frames();
  cv::RNG places(3);
  std::int64_t bytes = 0;
  for (auto _ : state) {
    const SeenFrame& frame =
        drive[static_cast<std::size_t>(places.uniform(0, static_cast<int>(drive.size())))];
    const cv::Size size = frame.image_rgb.size();
    const cv::Rect box(places.uniform(options.context_px, size.width - side_px),
                       places.uniform(options.context_px, size.height - side_px), kRegionPx, kRegionPx);
    bytes += static_cast<std::int64_t>(encode_region(frame, {"id", box, 0}, 1, options).crop_image.size());
  }
  state.counters["bytes"] =
      benchmark::Counter(static_cast<double>(bytes), benchmark::Counter::kAvgIterations);
}

[[maybe_unused]] const bool registered = [] {
  for (const std::string format : {"webp", "jpeg", "png"})
    for (const int side : {18, 56, 112})
      benchmark::RegisterBenchmark(("crop/" + format + "/side:" + std::to_string(side)).c_str(), crop, format,
                                   side);
  return true;
}();

}  // namespace
