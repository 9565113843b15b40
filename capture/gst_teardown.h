// How a pipeline is stopped without ever waiting for it without a limit.
#pragma once
#include "capture/gst_handles.h"

namespace driftloop::capture {

/// What is left of a run. By value: a stop that hangs in a driver goes on with its own references.
struct GstRemains {
  GstHandle<GstElement> pipeline, sink;  // sink: the appsink called `frames`, may be null
  GstHandle<GstBus> bus;                 // may be null when no end of stream is sent
  bool send_end = false;                 // a live pipeline gets its end of stream before it is cut off
};

/// Stops and releases. Returns false after the limit (2.5 s): then a driver hangs, and the pipeline is left
/// to a thread of its own, see hung_pipelines() of
/// gst_source.h.
bool stop_pipeline(GstRemains remains);

}  // namespace driftloop::capture
