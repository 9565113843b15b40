#include "capture/source_table.h"

#include <array>
#include <filesystem>

#include "capture/gst_source.h"
#include "capture/images_source.h"
#include "capture/restarting_source.h"
#include "config/check.h"
#include "config/name_table.h"
#include "config/redact.h"

namespace driftloop::capture {
namespace {

// A restarted nvargus-daemon has a new socket; a service that has the old one bound into its namespace gets
// it by its own restart alone. With the waits between them eight failures take half a minute.
constexpr int kCsiGiveUpAfter = 8;

GstSourceOptions gst_options(const SourceOptions& options, Life life) {
  const PipelineHost host = gst_has_element("nvvidconv") ? PipelineHost::jetson : PipelineHost::generic;
  GstSourceOptions gst;
  gst.pipeline = pipeline_text(options, host);
  gst.what = config::without_secrets(options.uri);
  gst.life = life;
  gst.at_end = options.at_end;
  // A slow rate that the user asked for is no stall.
  const int slow_ms = options.fps_limit > 0 ? static_cast<int>(3000 / options.fps_limit) : 0;
  gst.stall_timeout = std::chrono::milliseconds(std::max(options.stall_timeout_ms, slow_ms));
  gst.start_timeout = std::chrono::milliseconds(std::max(options.start_timeout_ms, slow_ms));
  return gst;
}

std::unique_ptr<FrameSource> open_restarting(const SourceOptions& options, Life life) {
  const GstSourceOptions gst = gst_options(options, life);
  const bool csi = parse_uri(options.uri).scheme == "csi";
  RestartOptions restart;
  restart.give_up_after = options.give_up_after >= 0 ? options.give_up_after : csi ? kCsiGiveUpAfter : 0;
  restart.first_backoff = std::chrono::milliseconds(options.restart_backoff_ms);
  restart.max_backoff = std::chrono::milliseconds(options.restart_backoff_max_ms);
  // The first one is made here, so that a mistake in the text is told at once.
  return std::make_unique<RestartingSource>(
      std::make_unique<GstSource>(gst), [gst] { return std::make_unique<GstSource>(gst); }, restart);
}

std::unique_ptr<FrameSource> open_camera(const SourceOptions& options, const SourceEntry& entry) {
  return open_restarting(options, entry.life);
}

std::unique_ptr<FrameSource> open_generator(const SourceOptions& options, const SourceEntry& entry) {
  return std::make_unique<GstSource>(gst_options(options, entry.life));
}

std::unique_ptr<FrameSource> open_file(const SourceOptions& options, const SourceEntry& entry) {
  const std::string path = parse_uri(options.uri).path;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored))
    throw Error("source " + options.uri + ": there is no file " + path + " (write file:///absolute/path)");
  return std::make_unique<GstSource>(gst_options(options, entry.life));
}

std::unique_ptr<FrameSource> open_images(const SourceOptions& options, const SourceEntry&) {
  return std::make_unique<ImagesSource>(options);
}

constexpr std::array<SourceEntry, 6> kSources{{
    {"csi", "camera on a Jetson's CSI port (sensor number)", "csi://0?width=1280&height=720&fps=30",
     Life::live, PipelineHost::jetson, csi_head, open_camera},
    {"v4l2", "USB or other Video4Linux camera (device)", "v4l2:///dev/video0?width=1280&height=720",
     Life::live, PipelineHost::generic, v4l2_head, open_camera},
    {"rtsp", "network camera, over TCP", "rtsp://192.168.1.20:554/stream1", Life::live, PipelineHost::generic,
     rtsp_head, open_camera},
    {"file", "a video file", "file:///data/drive.mkv", Life::finite, PipelineHost::generic, file_head,
     open_file},
    {"images", "a folder of .jpg, .jpeg and .png files, in the order of their names",
     "images:///data/drive/rgb", Life::finite, PipelineHost::generic, nullptr, open_images},
    {"test", "GStreamer's test pictures", "test://ball?frames=100&width=320&height=192&fps=30", Life::finite,
     PipelineHost::generic, test_head, open_generator},
}};

}  // namespace

std::span<const SourceEntry> source_table() {
  return kSources;
}

const SourceEntry& find_source(std::string_view scheme) {
  std::vector<std::string> known;
  for (const SourceEntry& entry : kSources) {
    if (entry.name == scheme) return entry;
    known.emplace_back(entry.name);
  }
  config::throw_unknown_name("source scheme", scheme, known);
}

std::unique_ptr<FrameSource> open_source(const SourceOptions& options) {
  if (options.uri.empty())
    throw Error("no source given: set capture.uri (for example csi://0, or test://ball?frames=100 to try)");
  const Uri uri = parse_uri(options.uri);
  if (uri.scheme.empty()) return open_restarting(options, Life::finite);
  const SourceEntry& entry = find_source(uri.scheme);
  return entry.open(options, entry);
}

}  // namespace driftloop::capture
