// A parsed GStreamer pipeline with its appsink and bus; started, polled and stopped by its owner.
#pragma once
#include <chrono>
#include <opencv2/core/mat.hpp>
#include <optional>
#include <string>

#include "capture/gst_handles.h"
#include "capture/source.h"

typedef struct _GstAppSink GstAppSink;

namespace driftloop::capture {

class GstPipelineRun {
 public:
  /// Throws Error; see GstSource. Throws NeedsNewProcess when earlier pipelines hang in their driver.
  GstPipelineRun(const std::string& text, const std::string& what);
  /// Sends a live pipeline its end of stream and waits for it (a CSI camera that is cut off may not start
  /// again before a reboot), then releases everything. Takes 2.5 s at most: see stop_pipeline.
  ~GstPipelineRun();
  GstPipelineRun(const GstPipelineRun&) = delete;
  GstPipelineRun& operator=(const GstPipelineRun&) = delete;

  enum class Start { ok, live, failed };
  /// Opens the device. After `failed` the reason is on the bus: see poll().
  Start start();

  /// The next sample, or null: nothing within `timeout`, or the stream has ended.
  GstHandle<GstSample> pull(std::chrono::milliseconds timeout);
  bool ended();

  struct News {
    std::optional<std::string> error;  // the pipeline is dead
    std::string warning;               // one line, "" when there was none
    int damaged = 0;                   // pictures that a decoder threw away
  };
  /// Takes what is on the bus. Never blocks.
  News poll();

 private:
  void note_missing(const GstStructure* structure);
  std::string safe(std::string message) const;
  std::string describe_failure(GstMessage* message) const;

  std::string text_, what_;  // text_ may hold passwords: never told as it is
  std::string missing_;      // the plug-in that decodebin asked for
  GstHandle<GstElement> pipeline_, sink_;
  GstHandle<GstBus> bus_;
  bool live_ = false, dead_ = false;
};

/// Copies a sample into an RGB image of its own, row by row: strides differ between decoders and may change
/// with the caps. Empty when the buffer is damaged or smaller than its caps say; Error when it is not RGB.
cv::Mat image_of(GstSample* sample, const std::string& what);

/// Presentation time of the sample, nanoseconds; nullopt when it has none.
std::optional<std::int64_t> time_of(GstSample* sample);

}  // namespace driftloop::capture
