// Owning handles for what GStreamer counts or allocates. Only the gst_* files include this.
#pragma once
#include <gst/gst.h>

#include <memory>

namespace driftloop::capture {

struct GstDeleter {
  void operator()(GstElement* p) const { gst_object_unref(p); }
  void operator()(GstBus* p) const { gst_object_unref(p); }
  void operator()(GstSample* p) const { gst_sample_unref(p); }
  void operator()(GstMessage* p) const { gst_message_unref(p); }
  void operator()(GstElementFactory* p) const { gst_object_unref(p); }
  void operator()(GError* p) const { g_error_free(p); }
  void operator()(char* p) const { g_free(p); }
  void operator()(GstParseContext* p) const { gst_parse_context_free(p); }
};
template <class T>
using GstHandle = std::unique_ptr<T, GstDeleter>;

/// Starts the library once per process. Throws Error.
void gst_start_library();

}  // namespace driftloop::capture
